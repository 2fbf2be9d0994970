"""What only explainers use: averages, baselines, segments, seeds, smoothing, precision."""
