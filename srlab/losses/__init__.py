"""Losses: modules ``(sr, hr) -> scalar``, and the objective that adds them up."""
