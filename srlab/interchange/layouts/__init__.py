"""Files of others: one for each network, and how they are told apart."""
