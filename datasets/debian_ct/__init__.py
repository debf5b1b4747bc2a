"""A real CT scan that comes inside a Debian package: an extra."""
