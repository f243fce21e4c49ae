"""Solve one problem of sparse coding with srlab and with SPORCO, and compare.

usage: pip install sporco; python scripts/results/compare_sporco.py PICTURE [ITERATIONS]

The residual of PICTURE's luminance (its middle 128x128 pixels) is coded with 32 random filters of
5x5, by SPORCO's ConvBPDN and by srlab's ADMM and FISTA, in double precision, with ITERATIONS (500)
of each. Printed are the objective, by srlab's formula for all three, how many codes are not zero,
and how far the picture made of them is from SPORCO's.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from srlab.console.tables import aligned
from srlab.errors import UserError
from srlab.imaging.colour import to_channels
from srlab.imaging.files import read_pixels, to_tensor
from srlab.imaging.resample import mirror_pad
from srlab.sparse_coding.admm import code_by_admm
from srlab.sparse_coding.fista import code_by_fista
from srlab.sparse_coding.operators import random_filters, sparse_objective, synthesise, transform
from srlab.sparse_coding.split import REACH, residual_of, smoothing_kernel

SIDE = 128  # pixels
WEIGHT = 0.3
PENALTY = 3.0  # SPORCO begins with one of its own and adapts it

try:
    from sporco.admm.cbpdn import ConvBPDN
except ImportError as missing:
    sys.exit(f"SPORCO cannot be imported ({missing}): pip install sporco")


def main() -> None:
    """Read the command line, solve and print."""
    picture, count = [*sys.argv[1:], "500"][:2] if len(sys.argv) in (2, 3) else ("", "")
    if not count.isdigit() or count == "0":
        sys.exit(__doc__)
    iterations = int(count)
    torch.manual_seed(0)
    try:
        residual = read_residual(Path(picture))
    except UserError as error:
        sys.exit(str(error))
    filters = random_filters(32, 5).double()
    solvers: dict[str, Callable[[], Tensor]] = {
        "SPORCO ConvBPDN": lambda: code_by_sporco(residual, filters, iterations),
        "srlab ADMM": lambda: code_by_admm(residual, filters, WEIGHT, iterations, PENALTY),
        "srlab FISTA": lambda: code_by_fista(residual, filters, WEIGHT, iterations),
    }
    spectrum = transform(filters, residual.shape[-2:])
    rows = [("solver", "objective", "codes not zero", "differs by")]
    reference = None
    for name, solve in solvers.items():
        codes = solve()
        objective = sparse_objective(residual, codes, spectrum, WEIGHT).item()
        made = synthesise(codes, spectrum)
        reference = made if reference is None else reference
        difference = ((made - reference).norm() / reference.norm()).item()
        used = f"{codes.count_nonzero() / codes.numel():.3%}"
        rows.append((name, f"{objective:.6f}", used, f"{difference:.1e}"))
    print("\n".join(aligned(rows)))


def read_residual(path: Path) -> Tensor:
    """Return the residual of a picture's middle, ``(1, 1, SIDE, SIDE)``, double precision."""
    luminance = to_channels(to_tensor(read_pixels(path)), "y").double()
    height, width = luminance.shape[-2:]
    if min(height, width) < SIDE:
        raise UserError(f"{path} has {width}x{height} pixels; at least {SIDE}x{SIDE} are needed")
    top, left = (height - SIDE) // 2, (width - SIDE) // 2
    middle = luminance[..., top : top + SIDE, left : left + SIDE]
    return residual_of(mirror_pad(middle, REACH), smoothing_kernel(torch.float64))


def code_by_sporco(residual: Tensor, filters: Tensor, iterations: int) -> Tensor:
    """Return SPORCO's feature maps as srlab lays them out, ``(1, K, H, W)``."""
    options = ConvBPDN.Options({"MaxMainIter": iterations, "RelStopTol": 0.0, "Verbose": False})
    dictionary = np.moveaxis(filters[:, 0].numpy(), 0, -1)
    solver = ConvBPDN(dictionary, residual[0, 0].numpy(), WEIGHT, options)
    maps = np.squeeze(solver.solve(), axis=(2, 3))
    # Its filters begin at the origin, ours have their centre there.
    centred = torch.from_numpy(np.moveaxis(maps, -1, 0).copy())[None]
    half = filters.shape[-1] // 2
    return centred.roll((half, half), (-2, -1))


if __name__ == "__main__":
    main()
