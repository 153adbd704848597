"""Frozen datasets: consensus of the labels, duplicates, splits, and the version that a digest names."""
