"""Configs: where they lie, what they may hold, and how components are built from them."""
