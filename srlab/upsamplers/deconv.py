"""Transposed convolution, the 'deconvolution' of FSRCNN (Dong et al., ECCV 2016) and FCN."""

from torch import Tensor, nn

from srlab.upsamplers.kernels import Init, initial_kernel, subpixel_to_deconv


class Deconv(nn.Module):
    """Scatter a kernel of size K at stride s.

    With K = k s this is the same layer as a sub-pixel convolution of kernel k (arXiv 1609.07009):
    same numbers, same multiply-adds, one bias per output channel where that has s^2. A K that s
    does not divide covers some output pixels more often than others and so leaves a checkerboard
    (Odena et al., Distill 2016).

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        scale: The stride s.
        kernel_size: K, at least s; by default 3 s, the capacity of a 3x3 sub-pixel convolution.
        init: ``default`` is that of ``nn.ConvTranspose2d``; ``icnr`` and ``bilinear`` are those of
            the sub-pixel form and need K = k s with odd k.

    Shapes: ``(N, in, H + 2 halo, W + 2 halo) -> (N, out, s H, s W)``.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        scale: int,
        kernel_size: int | None = None,
        init: Init = "default",
    ):
        super().__init__()
        size = 3 * scale if kernel_size is None else kernel_size
        if size < scale:
            raise ValueError(f"kernel_size must be at least the scale {scale}, got {size}")
        self.scale = scale
        self.padding = (size - scale + 1) // 2
        self.halo = (self.padding + scale - 1) // scale
        self.deconv = nn.ConvTranspose2d(in_channels, out_channels, size, stride=scale)
        if init != "default":
            if init not in ("icnr", "bilinear"):
                raise ValueError(f"init must be default, icnr or bilinear, got {init!r}")
            if size % scale or size // scale % 2 == 0:
                raise ValueError(
                    f"init={init} needs a kernel_size of the scale times an odd number, "
                    f"got {size} at scale {scale}"
                )
            kernel = initial_kernel(in_channels, out_channels, scale, size // scale, init)
            self.deconv.weight.data.copy_(subpixel_to_deconv(kernel, scale))
            nn.init.zeros_(self.deconv.get_parameter("bias"))

    def forward(self, framed: Tensor) -> Tensor:
        """Map a framed image to one ``scale`` times as large."""
        height, width = (self.scale * (n - 2 * self.halo) for n in framed.shape[-2:])
        start = self.scale * self.halo + self.padding
        return self.deconv(framed)[..., start : start + height, start : start + width]
