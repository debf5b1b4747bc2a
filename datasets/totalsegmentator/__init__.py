"""TotalSegmentator dataset, version 1."""
