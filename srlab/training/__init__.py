"""The training step, its loop, its state and its record; names no model and no data set."""
