"""Data: from a native folder to cases that read a box at a time, in physical units. Imports no torch."""
