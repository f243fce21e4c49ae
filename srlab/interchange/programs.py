"""Networks as programs of other runtimes, for pictures of any size: ONNX and torch.export.

What is traced maps ``lr (N, C, H, W)`` to ``sr (N, C, s H, s W)`` and pads by itself, so a file
needs nothing but pixels.
"""

import contextlib
import io
import json
import logging
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim

from srlab.errors import UserError

OPSET = 18
_EXAMPLE = (2, 24, 20)  # pictures, height, width: what is traced; 1 would be taken for a constant


def as_torch_export(program: nn.Module, channels: int, metadata: dict[str, str]) -> bytes:
    """Return a program as ``torch.export.load`` reads it; the metadata is its ``srlab.json``.

    Raises:
        UserError: The network cannot be traced.
    """
    file = io.BytesIO()
    with _quietly(), _telling("torch.export"):
        # Without names: torch 2.11 cannot prove of named sizes what it finds true of any.
        sizes = {"lr": dict.fromkeys((0, 2, 3), Dim.DYNAMIC)}
        traced = torch.export.export(program, (_example(channels),), dynamic_shapes=sizes)
        for node in traced.graph.nodes:  # where the sources lie on this machine
            node.meta.pop("stack_trace", None)
        torch.export.save(traced, file, extra_files={"srlab.json": json.dumps(metadata)})
    return file.getvalue()


def run_torch_export(content: bytes) -> Callable[[Tensor], Tensor]:
    """Return the function ``lr -> sr`` of a program that ``as_torch_export`` wrote."""
    with _quietly():
        return torch.export.load(io.BytesIO(content)).module()


def as_onnx(program: nn.Module, channels: int, metadata: dict[str, str]) -> bytes:
    """Return a program as ONNX, with one input ``lr`` and one output ``sr`` and the metadata.

    Raises:
        UserError: The network cannot be traced, or a package is missing.
    """
    onnx = _package("onnx")
    for name in ("onnxscript", "onnxruntime"):
        _package(name)
    with _quietly(), _telling("ONNX"):
        exported = torch.onnx.export(
            program, (_example(channels),), dynamo=True, opset_version=OPSET, input_names=["lr"],
            output_names=["sr"], dynamic_shapes=_sizes(), external_data=False, verbose=False,
        )  # fmt: skip
    assert exported is not None
    content: Any = exported.model_proto
    for node in content.graph.node:  # traces of this machine's Python, and most of the file
        del node.metadata_props[:]
        node.doc_string = ""
    for part in (*content.graph.value_info, *content.graph.input, *content.graph.output):
        del part.metadata_props[:]
    del content.graph.metadata_props[:]
    del content.metadata_props[:]
    onnx.helper.set_model_props(content, metadata)
    onnx.checker.check_model(content)
    return content.SerializeToString()


def run_onnx(content: bytes) -> Callable[[Tensor], Tensor]:
    """Return the function ``lr -> sr`` by which ONNX Runtime executes a file, on the CPU.

    Raises:
        UserError: ONNX Runtime is not installed.
    """
    runtime = _package("onnxruntime")
    settings = runtime.SessionOptions()
    settings.log_severity_level = 3
    session = runtime.InferenceSession(content, settings, providers=["CPUExecutionProvider"])
    return lambda lr: torch.from_numpy(session.run(["sr"], {"lr": lr.numpy()})[0])


def _example(channels: int) -> Tensor:
    count, height, width = _EXAMPLE
    return torch.zeros(count, channels, height, width)


def _sizes() -> dict[str, dict[int, Any]]:
    return {"lr": {0: Dim("batch"), 2: Dim("height"), 3: Dim("width")}}


def _package(name: str) -> ModuleType:
    try:
        return __import__(name)
    except ImportError:
        raise UserError(f"{name} is not installed: pip install 'srlab[onnx]'") from None


@contextlib.contextmanager
def _quietly():
    """Keep the exporters' remarks from the user: what counts is checked."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)


@contextlib.contextmanager
def _telling(what: str):
    """Turn what an exporter raises into a sentence."""
    try:
        yield
    except (RuntimeError, ValueError, TypeError, AssertionError) as error:
        cause = error.__cause__ or error  # the exporters explain themselves at length around it
        reason = (str(cause) or repr(cause)).splitlines()[0]
        raise UserError(f"this network cannot be exported to {what}: {reason}") from None
