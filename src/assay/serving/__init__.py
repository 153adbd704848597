"""Serving: the ways in for traffic. Today the batch one, `serving.batch`: a file in, verdicts out."""
