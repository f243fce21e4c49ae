"""What tests of upsamplers and networks say often."""

import torch


def picture(*shape, seed=0):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def largest(x):
    return x.abs().max().item()


def count(module):
    return sum(p.numel() for p in module.parameters())
