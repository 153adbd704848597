"""Arrays in, numbers with intervals out. Knows numpy, scipy and scikit-learn; nothing of judges, files or criteria."""
