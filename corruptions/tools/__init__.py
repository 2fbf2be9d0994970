"""What the built-in corruptions share."""
