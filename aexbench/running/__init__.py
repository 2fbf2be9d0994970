"""From a suite to records: cells, their execution, scores, and the store that keeps them."""
