"""SwinMM: masked multi-view reconstruction with rotation, contrast and mutual agreement as proxy tasks."""
