"""``srlab bench``: what is measured beside its bare limit."""
