"""Where srlab keeps what it can make anew."""

import os
from pathlib import Path

from srlab.errors import UserError


def cache_folder() -> Path:
    """Return where packs are kept: ``$SRLAB_CACHE``, else ``srlab`` in the user's cache folder."""
    if os.environ.get("SRLAB_CACHE"):
        return Path(os.environ["SRLAB_CACHE"]).expanduser()
    if os.environ.get("XDG_CACHE_HOME"):
        return Path(os.environ["XDG_CACHE_HOME"]) / "srlab"
    try:
        return Path.home() / ".cache" / "srlab"
    except RuntimeError:  # no HOME, and no such user
        raise UserError("there is no home folder for the cache: set SRLAB_CACHE") from None
