"""S2DC: structure-aware semantic discrepancy and consistency."""
