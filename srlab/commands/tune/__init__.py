"""``srlab tune``."""
