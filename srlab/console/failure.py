"""How a command that cannot go on ends."""

import sys
from typing import NoReturn


def fail(message: str) -> NoReturn:
    """Print a sentence and leave with status 2."""
    print(f"srlab: {message}", file=sys.stderr)
    sys.exit(2)
