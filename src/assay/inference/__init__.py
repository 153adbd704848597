"""The engine under every small judge: token rows in, label scores out."""
