"""Alice: anatomical invariance and semantic alignment between two patients."""
