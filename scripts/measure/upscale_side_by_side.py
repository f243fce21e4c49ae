"""Time srlab against ONNX Runtime, OpenCV and plain torch.

usage: python scripts/measure/upscale_side_by_side.py

The same network, weights and threads, x3 from 640x360; medians of interleaved repetitions. First
the network alone, from luma to luma; then a whole picture, from one PNG file to another: as
``srlab upscale`` does it, and with ONNX Runtime and Pillow in the obvious way. What srlab runs is
exported, with its head in the simplest form. ``pip install onnx onnxscript onnxruntime
opencv-python-headless`` brings what is compared; what is missing is left out. ``--json FILE``
writes the figures down.
"""

import argparse
import contextlib
import importlib
import io
import json
import logging
import os
import statistics
import tempfile
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from PIL import Image
from skimage import data
from torch import Tensor, nn

import srlab
from srlab.assembly.network import Network
from srlab.commands.upscale.pictures import upscale_files
from srlab.imaging.sizes import by_factor
from srlab.inference.fast_copy import fast_copy
from srlab.inference.sizing import automatic_number, automatic_tile
from srlab.inference.tiles import upscale_tiled
from srlab.machine.memory import keep_freed_memory
from srlab.measuring.timing import interleaved
from srlab.models.base import Model
from srlab.models.espcn import ESPCN
from srlab.models.fsrcnn import FSRCNN
from srlab.upsamplers.deconv import Deconv
from srlab.upsamplers.pixel_shuffle import PixelShuffle
from srlab.upsamplers.simplify import simplify
from srlab.words import Colour, UpscalePrecision

SCALE, HEIGHT, WIDTH = 3, 360, 640
Run = Callable[[], np.ndarray]


def main() -> None:
    """Print two Markdown tables for each network."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=15)
    options = parser.parse_args()
    keep_freed_memory()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    versions = {"torch": torch.__version__}
    for name in ("onnxruntime", "cv2"):
        if (module := optional(name)) is not None:
            versions[name] = module.__version__
    print(f"{options.threads} threads; {', '.join(f'{k} {v}' for k, v in versions.items())}")
    networks: dict[str, Model] = {
        "ESPCN": ESPCN(PixelShuffle, SCALE, init="identity"),
        "FSRCNN": FSRCNN(partial(Deconv, kernel_size=9), SCALE, init="identity"),
        "compact": srlab.load(f"compact_x{SCALE}"),
    }
    figures: dict[str, Any] = {"versions": versions, "threads": options.threads, "tables": []}
    with tempfile.TemporaryDirectory() as folder:
        for name, model in networks.items():
            network = Network(model.eval(), SCALE, Colour.y, name, None, None)
            exported = Path(folder) / f"{name}.onnx"
            can_export = export(simplify(network.module), exported)
            session = onnx_session(exported, options.threads) if can_export else None
            for title, runs in (
                (f"{name}, luma alone", on_values(network, exported, session, options.threads)),
                (f"{name}, PNG to PNG", on_files(network, session, Path(folder))),
            ):
                figures["tables"].append(compared(title, runs, options.repeats))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


def optional(name: str) -> ModuleType | None:
    """Import a package that need not be there."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


def photograph() -> np.ndarray:
    """Return a bundled photograph of 640x360 pixels, RGB."""
    return np.asarray(Image.fromarray(data.chelsea()).resize((WIDTH, HEIGHT), Image.Resampling.BOX))


class OnFramed(nn.Module):
    """A network as exported: of a picture that carries its frame."""

    def __init__(self, model: Model):
        super().__init__()
        self.model = model

    def forward(self, framed: Tensor) -> Tensor:
        """Map ``(1, C, H+2h, W+2h)`` to ``(1, C, sH, sW)``."""
        return self.model(framed, halo=self.model.frame)


def export(model: Model, path: Path) -> bool:
    """Write a network as ONNX, if the packages are there that do."""
    if optional("onnx") is None or optional("onnxscript") is None:
        return False
    size = (HEIGHT + 2 * model.frame, WIDTH + 2 * model.frame)
    logging.disable(logging.WARNING)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        example = (torch.zeros(1, model.channels, *size),)
        torch.onnx.export(OnFramed(model), example, path, dynamo=True, external_data=False)
    return True


def onnx_session(path: Path, threads: int) -> Callable[[np.ndarray], np.ndarray] | None:
    """Return ONNX Runtime's function of framed values, or None where it is missing."""
    runtime = optional("onnxruntime")
    if runtime is None:
        return None
    settings = runtime.SessionOptions()
    settings.intra_op_num_threads = threads
    settings.log_severity_level = 3
    session = runtime.InferenceSession(path, settings, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda framed: session.run(None, {name: framed})[0]


def framed_values(lr: np.ndarray, frame: int) -> np.ndarray:
    """Return ``(1, C, H, W)`` as the exported network takes it."""
    return np.pad(lr, ((0, 0), (0, 0), (frame, frame), (frame, frame)), mode="symmetric")


def on_values(
    network: Network,
    exported: Path,
    session: Callable[[np.ndarray], np.ndarray] | None,
    threads: int,
) -> dict[str, Run]:
    """Return what maps what a network sees of a picture, by the name of who does it."""
    seen = Image.fromarray(photograph()).convert("L" if network.colour == Colour.y else "RGB")
    values = torch.from_numpy(np.array(seen, dtype=np.float32) / 255)
    lr = values.reshape(HEIGHT, WIDTH, -1).movedim(-1, 0)[None].contiguous()
    frame = network.module.frame
    module = fast_copy(simplify(network.module))
    tile = automatic_tile(module)
    at_once = automatic_number(module, tile)
    upscale = partial(upscale_tiled, module, tile=tile, at_once=at_once)
    runs: dict[str, Run] = {"srlab": lambda: upscale(lr).numpy()}
    if session is not None:
        runs["ONNX Runtime"] = lambda: session(framed_values(lr.numpy(), frame))
    cv2 = optional("cv2")
    if cv2 is not None and exported.exists():
        cv2.setNumThreads(threads)
        net = cv2.dnn.readNetFromONNX(str(exported))

        def by_opencv() -> np.ndarray:
            net.setInput(framed_values(lr.numpy(), frame))
            return net.forward()

        runs["OpenCV"] = by_opencv

    def plainly() -> np.ndarray:
        with torch.inference_mode():
            return network.module(lr).numpy()

    return runs | {"torch, as written": plainly}


def on_files(
    network: Network, session: Callable[[np.ndarray], np.ndarray] | None, folder: Path
) -> dict[str, Run]:
    """Return what makes a PNG file of another, by who does it; they return nothing to compare."""
    source, target = folder / "small.png", folder / "large.png"
    Image.fromarray(photograph()).save(source)
    frame = network.module.frame
    upscale = network.pixel_upscaler("auto", False, UpscalePrecision.auto)

    def ours() -> np.ndarray:
        target.unlink(missing_ok=True)
        with contextlib.redirect_stdout(io.StringIO()):
            assert not upscale_files([(source, target)], lambda _: upscale, by_factor(SCALE))
        return np.empty(0)

    def theirs() -> np.ndarray:
        assert session is not None
        planes = Image.open(source).convert("YCbCr").split()
        y = np.asarray(planes[0], dtype=np.float32) / 255
        sr = session(framed_values(y[None, None], frame))[0, 0]
        large = Image.fromarray((sr * 255 + 0.5).clip(0, 255).astype(np.uint8))
        chroma = [p.resize(large.size, Image.Resampling.BICUBIC) for p in planes[1:]]
        Image.merge("YCbCr", [large, *chroma]).convert("RGB").save(target)
        return np.empty(0)

    return {"srlab": ours} | ({"ONNX Runtime and Pillow": theirs} if session else {})


def compared(title: str, runs: dict[str, Run], repeats: int) -> dict[str, Any]:
    """Time what is to be compared, in turns, print a table and return its figures."""
    results = {name: run() for name, run in runs.items()}  # which warms them up, too
    times = interleaved(runs, repeats, warm_up=0, rest=0.03)
    ours = statistics.median(times["srlab"])
    print(f"\n| {title} | ms | times srlab's | largest difference |\n|---|---|---|---|")
    rows = {}
    for name, values in times.items():
        median = statistics.median(values)
        apart = np.abs(results[name] - results["srlab"])
        off = float(apart.max()) if apart.size else None
        rows[name] = {"ms": 1e3 * median, "ratio": median / ours, "difference": off}
        told = "" if off is None else f"{off:.1e}"
        print(f"| {name} | {1e3 * median:.1f} | {median / ours:.2f} | {told} |")
    return {"title": title, "load": os.getloadavg()[0], "rows": rows}


if __name__ == "__main__":
    main()
