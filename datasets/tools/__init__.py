"""What only data sets use: tables and their splits, images, shards, what is fetched."""
