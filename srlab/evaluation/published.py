"""Figures from the papers, for comparison: mean PSNR in dB and SSIM.

Sources: bicubic and SRCNN 9-5-5 as re-evaluated by VDSR (Kim et al., CVPR 2016) and MemNet (Tai et
al., ICCV 2017); SRCNN 9-1-5 from Dong et al., ECCV 2014; ESPCN from Shi et al., CVPR 2016, table 1
(trained on T91) and table 2 (on ImageNet).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """One figure of one paper; ``ssim`` is None where the paper gives none."""

    psnr: float
    ssim: float | None
    source: str


def _row(source: str, *entries: tuple[str, int, float, float | None]):
    return {(name, scale): Published(psnr, ssim, source) for name, scale, psnr, ssim in entries}


FIGURES: dict[str, dict[tuple[str, int], Published]] = {
    "bicubic": _row(
        "bicubic",
        ("Set5", 2, 33.66, 0.9299), ("Set5", 3, 30.39, 0.8682), ("Set5", 4, 28.42, 0.8104),
        ("Set14", 2, 30.24, 0.8688), ("Set14", 3, 27.55, 0.7742), ("Set14", 4, 26.00, 0.7027),
        ("B100", 2, 29.56, 0.8431), ("B100", 3, 27.21, 0.7385), ("B100", 4, 25.96, 0.6675),
        ("Urban100", 2, 26.88, 0.8403), ("Urban100", 3, 24.46, 0.7349),
        ("Urban100", 4, 23.14, 0.6577),
    ),
    "SRCNN 9-1-5": _row(
        "SRCNN 9-1-5, T91",
        ("Set5", 2, 36.34, None), ("Set5", 3, 32.39, None), ("Set5", 4, 30.09, None),
        ("Set14", 2, 32.18, None), ("Set14", 3, 29.00, None), ("Set14", 4, 27.20, None),
    ),
    "SRCNN 9-5-5": _row(
        "SRCNN 9-5-5, ImageNet",
        ("Set5", 2, 36.66, 0.9542), ("Set5", 3, 32.75, 0.9090), ("Set5", 4, 30.48, 0.8628),
        ("Set14", 2, 32.42, 0.9063), ("Set14", 3, 29.28, 0.8209), ("Set14", 4, 27.49, 0.7503),
        ("B100", 2, 31.36, 0.8879), ("B100", 3, 28.41, 0.7863), ("B100", 4, 26.90, 0.7101),
        ("Urban100", 2, 29.50, 0.8946), ("Urban100", 3, 26.24, 0.7989),
        ("Urban100", 4, 24.52, 0.7221),
    ),
    "ESPCN tanh": _row(
        "ESPCN tanh, T91", ("Set5", 3, 32.55, None), ("Set14", 3, 29.08, None)
    )
    | _row("ESPCN tanh, ImageNet", ("Set5", 4, 30.90, None), ("Set14", 4, 27.73, None)),
    "ESPCN relu": _row(
        "ESPCN relu, T91", ("Set5", 3, 32.39, None), ("Set14", 3, 28.97, None)
    ),
}  # fmt: skip


def published(method: str | None, testset: str, scale: int) -> Published | None:
    """Return what the papers report for a method on a test set, if anything."""
    return FIGURES.get(method or "", {}).get((testset, scale))
