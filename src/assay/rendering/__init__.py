"""Example and criterion in, segments of text out: the only renderer, for training and judging alike. No torch."""
