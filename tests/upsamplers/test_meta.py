"""Guards: Meta-Upscale makes each pixel as its paper does, by one set of weights at every scale."""

from functools import partial

import torch
from common import above, largest, picture
from upsamplers.variants import SCALES, with_any_weights

from srlab.imaging.resample import enlarge, mirror_pad
from srlab.models.espcn import ESPCN
from srlab.training.parameters import parameter_groups
from srlab.upsamplers.meta import MetaShuffle
from srlab.upsamplers.pixel_shuffle import PixelShuffle


def pixel_by_pixel(meta, image):
    """Equation 6 for each pixel of the output, with places that are measured from centres."""
    s, halo = meta.scale, meta.halo
    framed = mirror_pad(image, halo)
    out = torch.zeros(meta.out_channels, *(s * n for n in image.shape[-2:]), dtype=image.dtype)
    for y in range(out.shape[1]):
        for x in range(out.shape[2]):
            up, left = (y + 0.5) / s - 0.5, (x + 0.5) / s - 0.5  # in low-resolution pixels
            i, j = y // s, x // s
            seen = framed[0, :, i : i + 2 * halo + 1, j : j + 2 * halo + 1]
            asked = torch.tensor([up - i, left - j, 1 / s], dtype=image.dtype)
            made = meta.last(torch.relu(meta.first(asked)))
            kernel = made.view(meta.out_channels, *seen.shape)
            out[:, y, x] = (kernel * seen).sum(dim=(1, 2, 3)) + meta.bias
    interpolated = enlarge(image, s, "bilinear")[0]
    return out + interpolated[torch.arange(meta.out_channels) % meta.in_channels]


def test_a_pixel_is_mixed_by_what_the_network_makes_of_its_place():
    errors = {}
    for scale in SCALES:
        for size in (3, 5):
            meta = with_any_weights(MetaShuffle(3, 2, scale, kernel_size=size, hidden=6))
            image = picture(1, 3, 4, 3)
            got = meta(mirror_pad(image, meta.halo))[0]
            errors[scale, size] = largest(got - pixel_by_pixel(meta, image))
    assert not above(errors, 1e-12)


def first_step(make, scale):
    """How far the first step of Adam moves a picture, when the upsampler alone learns."""
    torch.manual_seed(0)
    model = ESPCN(make, scale, init="identity")
    lr, hr = picture(1, 1, 12, 12).float(), picture(1, 1, 12 * scale, 12 * scale, seed=1).float()
    optimizer = torch.optim.Adam(parameter_groups(model.upsampler, {}, even=True), lr=1e-3)
    for group in optimizer.param_groups:
        group["lr"] *= group["lr_factor"]
    before = model(lr)
    (before - hr).square().mean().backward()
    optimizer.step()
    return float((model(lr) - before).detach().square().mean().sqrt())


@torch.enable_grad()
def test_its_steps_move_the_picture_about_as_far_as_those_of_a_kernel():
    shares = {}
    for scale in (2, 4):
        plain = first_step(partial(PixelShuffle, init="bilinear"), scale)
        for hidden in (16, 64):
            make = partial(MetaShuffle, hidden=hidden, init="bilinear")
            shares[scale, hidden] = first_step(make, scale) / plain
    assert not {case: share for case, share in shares.items() if not 0.6 < share < 1.4}
