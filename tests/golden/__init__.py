"""Golden figures: what every component computes; none changes without a new version."""
