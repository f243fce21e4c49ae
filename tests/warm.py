"""What the process does from which tests fork others: most of what the start of a training costs.

It computes nothing: what torch has begun cannot go on in a fork.
"""

import contextlib
import gc
import importlib
import sys
import tempfile
from pathlib import Path

from common import ran
from remembered import remember

remember()
for name in ("torch.onnx", "hydra_plugins.hydra_submitit_launcher.config"):
    with contextlib.suppress(ImportError):
        importlib.import_module(name)
paths = [*sys.path]
with tempfile.TemporaryDirectory() as folder:  # Hydra finds its plug-ins, and what srlab has
    told = ran(Path(folder), "train", "data=folder", "data.path=gone")
assert "gone does not exist" in told.stderr
sys.path[:] = paths
gc.freeze()  # no collection in a fork goes through it, and copies its pages
