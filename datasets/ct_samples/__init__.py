"""Real CT scans that come inside public Python packages."""
