"""A 3x3 convolution that is trained as a sum of branches, and computed as one.

The block of ECBSR (Zhang, Zeng, Zhang: ACM MM 2021), after RepVGG (Ding et al., CVPR 2021).
"""

import copy
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from srlab.upsamplers.base import Upsampler

BlockKind = Literal["plain", "rep"]

_EDGES = torch.tensor(
    [
        [[1, 0, -1], [2, 0, -2], [1, 0, -1]],  # Sobel, across
        [[1, 2, 1], [0, 0, 0], [-1, -2, -1]],  # Sobel, down
        [[0, 1, 0], [1, -4, 1], [0, 1, 0]],  # Laplace
    ]
)
_SMALL = 1e-3  # deviation of the edges' scales and biases at the start, as in the authors' code


class RepConv(nn.Module):
    """The sum of a 3x3, a 1x1 then 3x3, and three edge branches, as one 3x3 convolution.

    An edge branch is a 1x1 convolution to the output channels, each of which a Sobel or Laplace
    filter then sees under a scale of its own; it has no bias, which none of them would pass. All is
    linear and nothing pads, so the branches are one convolution, exactly; its kernel is computed of
    theirs in each step. Other functions it has none, but its weights move otherwise in a training.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        expand: How many times the output channels lie between the 1x1 and the 3x3; ECBSR has 2.
        padding: Zeros on each side of what the one convolution sees.

    Shapes: ``(N, in, H, W) -> (N, out, H - 2, W - 2)`` without padding.
    """

    def __init__(self, in_channels: int, out_channels: int, expand: int = 2, padding: int = 0):
        super().__init__()
        if expand < 1:
            raise ValueError(f"expand must be at least 1, got {expand}")
        self.plain = nn.Conv2d(in_channels, out_channels, 3, padding=padding)
        self.squeeze = nn.Conv2d(in_channels, expand * out_channels, 1)
        self.spread = nn.Conv2d(expand * out_channels, out_channels, 3)
        self.edges = nn.ParameterList(
            nn.Conv2d(in_channels, out_channels, 1, bias=False).weight for _ in _EDGES
        )
        self.edge_scale = nn.Parameter(_SMALL * torch.randn(len(_EDGES), out_channels))
        self.edge_bias = nn.Parameter(_SMALL * torch.randn(len(_EDGES), out_channels))
        self.masks: Tensor
        self.register_buffer("masks", _EDGES.float(), persistent=False)

    @torch.no_grad()
    def one(self) -> nn.Conv2d:
        """Return the one convolution."""
        conv = copy.deepcopy(self.plain)
        kernel, bias = self.collapsed()
        conv.weight.copy_(kernel)
        conv.get_parameter("bias").copy_(bias)
        return conv

    def collapsed(self) -> tuple[Tensor, Tensor]:
        """Return kernel ``(out, in, 3, 3)`` and bias ``(out,)`` of the one convolution."""
        kind = self.plain.weight.device.type
        with torch.autocast("cpu" if kind == "meta" else kind, enabled=False):
            return self._summed()

    def _summed(self) -> tuple[Tensor, Tensor]:
        squeeze, squeezed = self.squeeze.weight[..., 0, 0], self.squeeze.get_parameter("bias")
        spread, masks = self.spread.weight, self.masks.to(self.plain.weight)
        kernel = self.plain.weight + torch.einsum("omuv,mi->oiuv", spread, squeeze)
        bias = self.plain.get_parameter("bias") + self.spread.get_parameter("bias")
        bias = bias + torch.einsum("omuv,m->o", spread, squeezed)
        for mask, edge, scale in zip(masks, self.edges, self.edge_scale, strict=True):
            kernel = kernel + torch.einsum("o,uv,oi->oiuv", scale, mask, edge[..., 0, 0])
        return kernel, bias + self.edge_bias.sum(dim=0)

    @torch.no_grad()
    def become(self, kernel: Tensor, bias: Tensor | None = None) -> None:
        """Set the plain branch so that the sum is a convolution of this kernel and bias."""
        had, had_bias = self.collapsed()
        self.plain.weight += kernel.to(had) - had
        self.plain.get_parameter("bias").add_((0 if bias is None else bias.to(had)) - had_bias)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve by the one kernel."""
        return F.conv2d(x, *self.collapsed(), padding=self.plain.padding)


def make_blocks(body: nn.Module, block: BlockKind) -> None:
    """Make branches of the 3x3 convolutions within a module, if ``block`` is ``rep``.

    They begin as the convolutions that they stand in for.

    Raises:
        ValueError: ``block`` is unknown.
    """
    if block not in ("plain", "rep"):
        raise ValueError(f"block must be plain or rep, got {block!r}")
    for name, conv in list(body.named_modules()) if block == "rep" else ():
        if type(conv) is nn.Conv2d and conv.kernel_size == (3, 3):
            padding = conv.padding[0]
            assert isinstance(padding, int)
            made = RepConv(conv.in_channels, conv.out_channels, padding=padding)
            made.become(conv.weight, conv.bias)
            parent, _, own = name.rpartition(".")
            setattr(body.get_submodule(parent), own, made)


def collapse_blocks(network: nn.Module) -> None:
    """Make one convolution of each that is trained as branches, outside of upsamplers."""
    modules = list(network.named_modules())
    heads = tuple(f"{name}." for name, module in modules if isinstance(module, Upsampler))
    for name, module in modules:
        if isinstance(module, RepConv) and name and not name.startswith(heads):
            parent, _, own = name.rpartition(".")
            setattr(network.get_submodule(parent), own, module.one())
