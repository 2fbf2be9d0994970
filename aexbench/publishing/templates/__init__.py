"""The pages' templates, their style and their script."""
