"""WORD."""
