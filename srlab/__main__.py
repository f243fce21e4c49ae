"""``python -m srlab``."""

from srlab.cli import main

main()
