"""CT Colonography."""
