"""What single formats ask for: depth, metadata, frames and pages.

Each file is about one format or one question; ``imaging.files``, ``picture`` and ``writing`` put
them together.
"""
