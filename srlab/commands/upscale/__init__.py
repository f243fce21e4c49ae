"""``srlab upscale``."""
