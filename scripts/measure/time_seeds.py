"""Time several seeds of one network trained at once against one after the other.

usage: python scripts/measure/time_seeds.py [--device cuda] [--seeds 4] [--repeats 7] [--json FILE]

Stacked: the weights of all seeds lie in one tensor each, every convolution of all of them is one
grouped convolution (torch.vmap makes them), and one optimizer steps all. In turn: as sweeps do it,
each network by itself. The same batches; medians of interleaved repetitions, per seed and step.
"""

import argparse
import json
import statistics
from functools import partial

import torch
from torch import Tensor
from torch.func import functional_call, grad_and_value, stack_module_state, vmap

from srlab.machine.memory import keep_freed_memory
from srlab.measuring.timing import interleaved, median_ratio
from srlab.models.espcn import ESPCN
from srlab.models.fsrcnn import FSRCNN
from srlab.upsamplers.deconv import Deconv
from srlab.upsamplers.pixel_shuffle import PixelShuffle

SCALE, BATCH, PATCH, STEPS = 3, 16, 17, 10


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--batch", type=int, default=BATCH, help="patches (%(default)s)")
    parser.add_argument("--json")
    options = parser.parse_args()
    keep_freed_memory()
    device = torch.device(options.device)
    print(f"torch {torch.__version__}, {device}, {torch.get_num_threads()} threads\n")
    print("| network | seeds | in turn, ms | stacked, ms | factor |\n|---|---|---|---|---|")
    rows = []
    for name, make in (
        ("ESPCN", lambda: ESPCN(PixelShuffle, SCALE, init="identity")),
        ("FSRCNN", lambda: FSRCNN(partial(Deconv, kernel_size=9), SCALE, init="identity")),
    ):
        networks = []
        for seed in range(options.seeds):
            torch.manual_seed(seed)
            networks.append(make().to(device, memory_format=torch.channels_last))
        side = PATCH + 2 * networks[0].frame
        lr = torch.rand(options.batch, 1, side, side, device=device)
        hr = torch.rand(options.batch, 1, SCALE * PATCH, SCALE * PATCH, device=device)
        runs = {
            "in turn": in_turn(networks, lr, hr),
            "stacked": stacked(networks, lr, hr),
        }
        seconds = interleaved(runs, options.repeats, warm_up=2)
        per_step = {k: [t / STEPS / options.seeds for t in v] for k, v in seconds.items()}
        alone, together = (1e3 * statistics.median(times) for times in per_step.values())
        factor = median_ratio(seconds["in turn"], seconds["stacked"])
        print(f"| {name} | {options.seeds} | {alone:.2f} | {together:.2f} | {factor:.2f} |")
        rows.append({"network": name, "seeds": options.seeds, "factor": factor, **per_step})
    if options.json:
        with open(options.json, "w") as file:  # noqa: PTH123
            json.dump({"torch": str(torch.__version__), "device": str(device), "rows": rows}, file)


def in_turn(networks: list[ESPCN | FSRCNN], lr: Tensor, hr: Tensor):
    """Return what takes some steps of each network by itself."""
    optimizers = [torch.optim.Adam(n.parameters(), lr=1e-3, fused=True) for n in networks]

    def run() -> None:
        for network, optimizer in zip(networks, optimizers, strict=True):
            for _ in range(STEPS):
                loss = torch.nn.functional.mse_loss(network(lr, halo=network.frame), hr)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        wait(lr)

    return run


def stacked(networks: list[ESPCN | FSRCNN], lr: Tensor, hr: Tensor):
    """Return what takes as many steps of all networks at once."""
    weights, buffers = stack_module_state(networks)
    base, frame = networks[0], networks[0].frame
    optimizer = torch.optim.Adam(weights.values(), lr=1e-3, fused=True)

    def loss_of(parameters: dict[str, Tensor], others: dict[str, Tensor]) -> Tensor:
        sr = functional_call(base, (parameters, others), (lr,), {"halo": frame})
        return torch.nn.functional.mse_loss(sr, hr)

    gradients = vmap(grad_and_value(loss_of))

    def run() -> None:
        for _ in range(STEPS):
            slopes, _ = gradients({k: v.detach() for k, v in weights.items()}, buffers)
            for name, weight in weights.items():
                weight.grad = slopes[name]
            optimizer.step()
        wait(lr)

    return run


def wait(x: Tensor) -> None:
    """Wait for the device of a tensor."""
    if x.is_cuda:
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
