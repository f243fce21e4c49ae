"""``model=list``: the models that come with srlab."""

import json
import math
from pathlib import Path
from typing import Any

from safetensors import safe_open

from srlab.console.tables import aligned
from srlab.data.manifest import terms_of
from srlab.weights import CLEAN, COMPRESSED, shipped, speeds


def table() -> str:
    """Return the models with their size, speed and scores."""
    seconds, processor = speeds()
    rows: list[tuple[str, ...]] = [("model", "parameters", "kB", "s/Mpx", "Set5", "Set14", "about")]
    for name, path in shipped().items():
        metadata, parameters = _read(path)
        scores: list[dict[str, Any]] = json.loads(metadata["scores"])
        means = {score["testset"]: f"{score['psnr']:.2f}" for score in scores}
        config = json.loads(metadata["config"])
        degradation = config.get("degradation")
        kind = f", for lossy files: degradation={degradation['name']}" if degradation else ""
        about = f"x{metadata['scale']}, colour={metadata['colour']}, {_seen(config['data'])}{kind}"
        size = f"{path.stat().st_size / 1000:.0f}"
        speed = f"{seconds[name]:.3f}" if name in seconds else "-"
        on_sets = (means.get(testset, "-") for testset in ("Set5", "Set14"))
        rows.append((name, f"{parameters:,}", size, speed, *on_sets, about))
    taken = "; ".join(
        f"effort={effort}: {CLEAN[effort]}, for lossy files {COMPRESSED[effort]}"
        for effort in CLEAN
    )
    return "\n".join(
        [
            *aligned(rows),
            f"s/Mpx: seconds for a megapixel that it makes, on one thread of {processor}; "
            f"Set5, Set14: PSNR where low resolution was not compressed",
            taken,
        ]
    )


def _seen(data: dict[str, Any]) -> str:
    """Say under which terms the pictures stand that a model was trained on."""
    terms = set(terms_of(data).values())
    if terms == {"free"}:
        return "from free pictures"
    return "from research data" if "research" in terms else "from pictures of unknown terms"


def _read(path: Path) -> tuple[dict[str, str], int]:
    """Return metadata and number of parameters of a model, without loading it."""
    with safe_open(path, framework="numpy") as file:
        sizes = [file.get_slice(name).get_shape() for name in file.keys()]  # noqa: SIM118
        return file.metadata(), sum(math.prod(size) for size in sizes)
