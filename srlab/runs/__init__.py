"""Runs and sweeps on the disk: their folders, results and plans."""
