"""A dataset to start from."""
