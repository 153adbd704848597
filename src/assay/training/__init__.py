"""Training: a frozen dataset and a backbone in, a calibrated judge version out."""
