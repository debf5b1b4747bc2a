"""A real MR scan that comes inside a Debian package: an extra."""
