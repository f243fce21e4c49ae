"""srlab: super-resolution networks whose upsampling is a choice, not an accident."""

__version__ = "0.1.0"
