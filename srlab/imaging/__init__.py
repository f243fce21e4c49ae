"""Pixels: image files, colour spaces, resampling."""
