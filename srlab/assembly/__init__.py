"""From configs and files to parts that work together."""
