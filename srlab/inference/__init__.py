"""Using a network: tiles, self-ensemble, pictures of every kind."""
