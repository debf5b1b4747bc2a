"""Real MR scans that come inside public Python packages."""
