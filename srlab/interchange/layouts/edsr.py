"""EDSR's weights as its authors and BasicSR keep them."""

import torch

from srlab.interchange.layouts.parts import (
    Foreign,
    Wanted,
    Weights,
    convolution_names,
    count_keys,
    kernel_shape,
    take_weights,
)

_LATER_STAGES = (
    "they pad the second stage with zeros, and here it sees what the first makes of them"
)
DIV2K = (0.4488, 0.4371, 0.4040)  # the mean colour that EDSR subtracts


def edsr(theirs: Weights, grey: float) -> Foreign | None:
    """``sub_mean``, ``head``, ``body``, ``tail`` and ``add_mean`` (sanghyun-son/EDSR-PyTorch)."""
    if not {"head.0.weight", "tail.1.weight"} <= theirs.keys():
        return None
    blocks = count_keys(theirs, r"body\.\d+\.body\.0\.weight")
    names = {"head": "head.0", "join": f"body.{blocks}", "tail": "tail.1", "stage": "tail.0.{}"}
    names |= {"first": "body.{}.body.0", "second": "body.{}.body.2"}
    shifts = convolution_names("sub_mean", "sub_mean", 3, 3, 1) | convolution_names(
        "add_mean", "add_mean", 3, 3, 1
    )
    return _edsr(theirs, blocks, names, shifts, grey)


def edsr_basicsr(theirs: Weights, grey: float) -> Foreign | None:
    """``conv_first``, ``body``, ``upsample``, ``conv_last`` (BasicSR), which computes on 0 to 255.

    The mean colour is none of its weights; it is DIV2K's.
    """
    if not {"conv_first.weight", "conv_after_body.weight", "upsample.0.weight"} <= theirs.keys():
        return None
    blocks = count_keys(theirs, r"body\.\d+\.conv1\.weight")
    names = {"head": "conv_first", "join": "conv_after_body", "tail": "conv_last"}
    names |= {"first": "body.{}.conv1", "second": "body.{}.conv2", "stage": "upsample.{}"}
    return _edsr(theirs, blocks, names, {}, grey)


def _edsr(
    theirs: Weights, blocks: int, names: dict[str, str], shifts: Wanted, grey: float
) -> Foreign:
    """Return EDSR's network, given what its layers are called."""
    features = kernel_shape(theirs, f"{names['head']}.weight")[0]
    stages = count_keys(theirs, names["stage"].format(r"\d+").replace(".", r"\.") + r"\.weight")
    first_stage = kernel_shape(theirs, f"{names['stage'].format(0)}.weight")[0]
    factor = 3 if stages == 1 and first_stage == 9 * features else 2
    wanted = convolution_names(names["head"], "head", features, 3, 3) | shifts
    for i in range(blocks):
        for half in ("first", "second"):
            wanted |= convolution_names(
                names[half].format(i), f"blocks.{i}.{half}", features, features, 3
            )
    wanted |= convolution_names(names["join"], "join", features, features, 3)
    for i in range(stages):
        name, outs = names["stage"].format(2 * i), features * factor**2
        wanted |= convolution_names(name, f"upsampler.stages.{i}.conv", outs, features, 3)
    weights = take_weights(
        theirs, wanted | convolution_names(names["tail"], "tail", 3, features, 3)
    )

    mean = torch.tensor(DIV2K, dtype=torch.float64)
    unit, peak = torch.eye(3, dtype=torch.float64)[..., None, None], 255.0
    before, less = weights.pop("sub_mean.weight", unit), weights.pop("sub_mean.bias", -peak * mean)
    after, more = weights.pop("add_mean.weight", unit), weights.pop("add_mean.bias", peak * mean)
    if not less.any():
        raise ValueError("subtracts no mean colour, so the range of its pixels does not show")
    if less.abs().max() < 1:  # their pixels are from 0 to 1
        peak = 1.0
    head, tail = weights["head.weight"], weights["tail.weight"]
    ours = -torch.linalg.solve(before[..., 0, 0], less)  # what they subtract, before it is scaled
    weights["head.weight"] = torch.einsum("ocyx,cd->odyx", head, before[..., 0, 0])
    weights["tail.bias"] = after[..., 0, 0] @ weights["tail.bias"] + more - ours
    weights["tail.weight"] = torch.einsum("dc,cfyx->dfyx", after[..., 0, 0], tail)
    weights = {k: v / peak if k.endswith("bias") else v for k, v in weights.items()}
    # The authors damp the blocks of their large network, which does not show in its weights.
    block_scale = 0.1 if features == 256 else 1.0
    title = f"EDSR of {blocks} blocks of {features} features, block_scale {block_scale}"
    return Foreign(
        title="EDSR-baseline" if (blocks, features) == (16, 64) else title,
        model="edsr_baseline",
        options={
            "blocks": blocks,
            "features": features,
            "block_scale": block_scale,
            "mean": (ours / peak).tolist(),
        },
        upsampler="staged",
        upsampler_options={},
        scale=factor**stages,
        channels=3,
        border=_LATER_STAGES if stages > 1 else "",
        weights=weights,
    )
