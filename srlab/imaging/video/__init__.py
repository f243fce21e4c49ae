"""Video files through PyAV, an optional extra that only this room knows."""
