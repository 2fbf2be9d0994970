"""What only metrics use: rankings whose ties stand in random order."""
