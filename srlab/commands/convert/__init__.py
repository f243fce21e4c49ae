"""``srlab convert``."""
