"""OASIS-3."""
