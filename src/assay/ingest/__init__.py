"""Data in: rows of files → examples and labels, with their provenance, into the store."""
