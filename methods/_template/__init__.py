"""One line: what the method learns from."""
