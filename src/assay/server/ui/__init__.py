"""The live page: plain HTML and JavaScript from the package, nothing from elsewhere."""
