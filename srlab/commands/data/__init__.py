"""``srlab data``."""
