"""LIDC-IDRI."""
