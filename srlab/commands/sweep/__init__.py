"""``srlab sweep``."""
