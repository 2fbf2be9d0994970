"""What only explainers use: baselines, segments, seeds by content, smoothing, float64."""
