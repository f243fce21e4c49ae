"""Upsamplers: modules that change the size of an image.

A factory ``(in_channels, out_channels, scale) -> nn.Module`` makes one. The module has an attribute
``halo`` and maps a framed image ``(N, in_channels, H + 2 halo, W + 2 halo)`` to
``(N, out_channels, scale H, scale W)``: it never invents a border. Whoever calls it supplies the
frame, once, so that every upsampler sees the same border and equal kernels mean equal outputs.
"""
