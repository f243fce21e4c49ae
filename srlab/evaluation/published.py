"""Figures from the papers, for comparison: mean PSNR in dB and SSIM.

Sources: bicubic, SRCNN 9-5-5 and CSCN (Wang et al., ICCV 2015) as re-evaluated by VDSR (Kim et al.,
CVPR 2016) and MemNet (Tai et al., ICCV 2017); SRCNN 9-1-5 from Dong et al., ECCV 2014; ESPCN from
Shi et al., CVPR 2016, table 1 (trained on T91, and relu on ImageNet) and table 2 (tanh on
ImageNet); FSRCNN from Dong et al., ECCV 2016, table 3 (T91) and table 4 (T91 and General-100), its
SSIM, B100 and Urban100 as listed by later papers; VDSR from Kim et al., CVPR 2016; EDSR-baseline
(Lim et al., CVPRW 2017) and CSC-SR (Gu et al., ICCV 2015) as listed by later papers.
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
    "FSRCNN": _row(
        "FSRCNN, T91 + General-100",
        ("Set5", 2, 37.00, 0.9558), ("Set5", 3, 33.16, 0.9140), ("Set5", 4, 30.71, 0.8657),
        ("Set14", 2, 32.63, 0.9088), ("Set14", 3, 29.43, 0.8242), ("Set14", 4, 27.59, 0.7535),
        ("B100", 2, 31.53, 0.8920), ("B100", 3, 28.53, 0.7910), ("B100", 4, 26.98, 0.7128),
        ("Urban100", 2, 29.88, 0.9020), ("Urban100", 3, 26.43, 0.8080),
        ("Urban100", 4, 24.62, 0.7280),
    ),
    "VDSR": _row(
        "VDSR, 291",
        ("Set5", 2, 37.53, 0.9587), ("Set5", 3, 33.66, 0.9213), ("Set5", 4, 31.35, 0.8838),
        ("Set14", 2, 33.03, 0.9124), ("Set14", 3, 29.77, 0.8314), ("Set14", 4, 28.01, 0.7674),
        ("B100", 2, 31.90, 0.8960), ("B100", 3, 28.82, 0.7976), ("B100", 4, 27.29, 0.7251),
        ("Urban100", 2, 30.76, 0.9140), ("Urban100", 3, 27.14, 0.8279),
        ("Urban100", 4, 25.18, 0.7524),
    ),
    "EDSR-baseline": _row(
        "EDSR-baseline, DIV2K",
        ("Set5", 2, 37.99, 0.9604), ("Set5", 3, 34.37, 0.9270), ("Set5", 4, 32.09, 0.8938),
        ("Set14", 2, 33.57, 0.9175), ("Set14", 3, 30.28, 0.8417), ("Set14", 4, 28.58, 0.7813),
        ("B100", 2, 32.16, 0.8994), ("B100", 3, 29.09, 0.8052), ("B100", 4, 27.57, 0.7357),
        ("Urban100", 2, 31.98, 0.9272), ("Urban100", 3, 28.15, 0.8527),
        ("Urban100", 4, 26.04, 0.7849),
    ),
    "CSC-SR": _row(
        "CSC-SR, 800 filters",
        ("Set5", 2, 36.62, 0.9549), ("Set5", 3, 32.66, 0.9098), ("Set5", 4, 30.36, 0.8607),
        ("Set14", 2, 32.31, 0.9070), ("Set14", 3, 29.15, 0.8208), ("Set14", 4, 27.30, 0.7499),
        ("B100", 2, 31.27, 0.8876), ("B100", 3, 28.31, 0.7853), ("B100", 4, 26.83, 0.7101),
    ),
    "CSCN": _row(
        "CSCN, T91, SCN in cascade",
        ("Set5", 2, 36.93, 0.9552), ("Set5", 3, 33.10, 0.9144), ("Set5", 4, 30.86, 0.8732),
        ("Set14", 2, 32.56, 0.9074), ("Set14", 3, 29.41, 0.8238), ("Set14", 4, 27.64, 0.7587),
        ("B100", 2, 31.40, 0.8884), ("B100", 3, 28.50, 0.7885), ("B100", 4, 27.03, 0.7161),
    ),
}  # fmt: skip

# What the papers report besides, for other training images.
OTHER_DATA: dict[str, dict[tuple[str, int], Published]] = {
    "ESPCN tanh": _row(
        "ESPCN tanh, ImageNet", ("Set5", 3, 33.13, None), ("Set14", 3, 29.49, None)
    ),
    "ESPCN relu": _row(
        "ESPCN relu, ImageNet", ("Set5", 3, 33.00, None), ("Set14", 3, 29.42, None)
    ),
    "FSRCNN": _row(
        "FSRCNN, T91",
        ("Set5", 2, 36.94, None), ("Set5", 3, 33.06, None), ("Set5", 4, 30.55, None),
        ("Set14", 2, 32.54, None), ("Set14", 3, 29.37, None), ("Set14", 4, 27.50, None),
    ),
}  # fmt: skip


def published(method: str | None, testset: str, scale: int) -> Published | None:
    """Return what the papers report for a method on a test set, if anything."""
    return FIGURES.get(method or "", {}).get((testset, scale))


def published_for_other_data(method: str | None, testset: str, scale: int) -> Published | None:
    """Return what the papers report besides of a method trained on other images, if anything."""
    return OTHER_DATA.get(method or "", {}).get((testset, scale))
