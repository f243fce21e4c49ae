"""``srlab evaluate``: networks and baselines, judged on test sets."""
