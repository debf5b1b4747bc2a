"""HNSCC."""
