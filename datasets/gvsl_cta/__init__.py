"""GVSL's coronary CT angiographies."""
