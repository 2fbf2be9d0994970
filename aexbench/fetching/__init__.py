"""Data that others publish: downloaded, unpacked, and found again on disk."""
