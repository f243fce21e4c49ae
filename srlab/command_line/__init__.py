"""From what is typed to a config that is composed; loads no torch."""
