"""``srlab report``."""
