"""AbdomenCT-1K."""
