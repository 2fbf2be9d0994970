"""What only data sets use: splits of tables, images and their augmentation, shards on disk."""
