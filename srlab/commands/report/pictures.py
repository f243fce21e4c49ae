"""The pictures of a report: the same part of each test image from every run."""

from typing import Any

from torch import Tensor

from srlab.assembly.example_picture import ExamplePicture, open_example
from srlab.assembly.network import Network
from srlab.commands.report.compared import Compared
from srlab.commands.report.networks import as_png, draw_networks, upscaled, where_they_differ
from srlab.commands.report.results import Results
from srlab.commands.report.tables import best_and_worst

_SIDE = 96  # high-resolution pixels of a crop
_CROPS = 300  # in all
_FEWEST, _MOST = 2, 8  # images


def make_pictures(compared: Compared) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the crops for the viewer, and the drawings of kernels and checkerboards by choice."""
    results, networks = compared.results, compared.networks
    wanted = _wanted(results)
    places = {(t.name, name): (t, k) for t in compared.testsets for k, name in enumerate(t.named)}
    network = networks[results.runs[0].name]
    firsts = [choice.runs[0].name for choice in results.choices]
    images: list[dict[str, Any]] = []
    drawings: dict[str, str] = {}
    for number, why in wanted.items():
        testset, name = results.images[number]
        example = open_example(
            *places[testset, name], network.scale, network.colour, compared.degradation
        )
        whole = {run: upscaled(example, networks[run]) for run in firsts}
        if not drawings:
            drawings = draw_networks(results.choices, networks, whole)
        images.append(_crops(results, number, why, networks, whole, example))
    note = (
        f"Every run, bicubic and the truth: {_SIDE} pixels a side or less, where the runs differ "
        f"most. Numbers are of the whole picture."
    )
    return {"note": note, "images": images}, drawings


def _wanted(results: Results) -> dict[int, str]:
    """Return the images to show, each with the reason, as many as fit."""
    room = max(_FEWEST, min(_MOST, _CROPS // len(results.runs)))
    reasons: dict[int, list[str]] = {}
    for choice in results.choices:
        best, worst = best_and_worst(results, choice)
        reasons.setdefault(best, []).append(f"best of {choice.label}")
        reasons.setdefault(worst, []).append(f"worst of {choice.label}")
    order = sorted(reasons, key=lambda k: -len(reasons[k]))[:room]
    others = [k for k in range(len(results.images)) if k not in order]
    chosen = sorted([*order, *others[: room - len(order)]])
    return {k: ", ".join(reasons.get(k, [])) for k in chosen}


def _crops(
    results: Results,
    number: int,
    why: str,
    networks: dict[str, Network],
    whole: dict[str, Tensor],
    example: ExamplePicture,
) -> dict[str, Any]:
    """Cut the same part out of an image as it is, as bicubic and as every run make it.

    ``whole`` holds it as the first run of each choice makes it; of the others the part is kept.
    """
    scale = example.scale
    bicubic = example.bicubic(example.lr)[0].clamp(0, 1)
    compared = list(whole.values()) if len(whole) > 1 else [bicubic, *whole.values()]
    top, left = where_they_differ(compared, _SIDE, scale)
    part = (..., slice(top, top + _SIDE), slice(left, left + _SIDE))
    of_bicubic = results.bicubic["psnr"][number]
    crops = [
        {"label": "truth", "detail": "", "src": as_png(example.hr[0][part])},
        {
            "label": "bicubic interpolation",
            "detail": f"{of_bicubic:.2f} dB",
            "src": as_png(bicubic[part]),
        },
    ]
    for choice in results.choices:
        for run in choice.runs:
            label = choice.label if results.of_networks else f"{choice.label}, seed {run.seed}"
            detail = f"{run.scores['psnr'][number]:.2f} dB"
            picture = whole.get(run.name)
            if picture is None:
                picture = upscaled(example, networks[run.name])
            crops.append({"label": label, "detail": detail, "src": as_png(picture[part])})
    testset, name = results.images[number]
    height, width = bicubic[part].shape[-2:]
    return {
        "name": name, "testset": testset, "left": left, "top": top, "width": width,
        "height": height, "why": why, "crops": crops,
    }  # fmt: skip
