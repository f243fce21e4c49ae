"""``srlab train``."""
