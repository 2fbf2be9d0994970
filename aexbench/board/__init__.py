"""From records to what people read: the leaderboard, its statistics, tables and heat maps."""
