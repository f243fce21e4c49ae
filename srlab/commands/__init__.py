"""One file per verb: read the typed config, wire the parts together, call the floors below."""
