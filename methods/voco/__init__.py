"""VoCo: volume contrast, the position of a crop by its overlap with base crops."""
