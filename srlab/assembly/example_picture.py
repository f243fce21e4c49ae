"""One test image in colour, followed through a run and drawn at its end."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

from srlab.data.images import ImageSet
from srlab.degradations.degradation import Degradation, picture_key
from srlab.evaluation.comparison import comparison
from srlab.imaging.colour import quantise, to_channels
from srlab.imaging.files import read_pixels, to_tensor
from srlab.imaging.resample import crop_to_multiple, enlarge, shrink
from srlab.inference.colour import upscale_colour
from srlab.words import Colour


@dataclass(frozen=True)
class ExamplePicture:
    """A test image: ``lr (1, C, H, W)`` and ``hr (1, C, sH, sW)``, as the file has its channels."""

    name: str
    lr: Tensor
    hr: Tensor
    scale: int
    colour: Colour

    def bicubic(self, lr: Tensor) -> Tensor:
        """Upscale ``(N, C, H, W)`` by bicubic."""
        return enlarge(lr, self.scale)

    @torch.inference_mode()
    def upscaled(self, upscale: Callable[[Tensor], Tensor]) -> Tensor:
        """Return the image as ``upscale`` makes it."""
        return upscale_colour(self.lr, upscale, self.colour, self.scale)

    def pictures(self, upscale: Callable[[Tensor], Tensor]) -> dict[str, Tensor]:
        """Return bicubic, SR and HR of the middle of the image, 192 pixels a side or less."""
        bicubic = self.bicubic(self.lr).clamp(0, 1)
        everything = {"bicubic": bicubic, "sr": self.upscaled(upscale), "hr": self.hr}
        height, width = self.hr.shape[-2:]
        top, left = max(0, height // 2 - 96), max(0, width // 2 - 96)
        return {k: v[..., top : top + 192, left : left + 192] for k, v in everything.items()}

    def sheet(self, upscale: Callable[[Tensor], Tensor], bicubic: str, sr: str) -> Image.Image:
        """Draw LR, bicubic, SR and HR side by side, the middle two under the given captions."""
        captions = [f"LR x{self.scale}", bicubic, sr, "truth"]
        return comparison(self.lr, self.upscaled(upscale), self.hr, self.scale, captions)


def open_example(
    images: ImageSet,
    number: int,
    scale: int,
    colour: Colour,
    degradation: Degradation | None = None,
) -> ExamplePicture:
    """Read an image of a test set with the LR that it is judged by."""
    path, bits = images.paths[number], images.bits
    hr = crop_to_multiple(to_tensor(read_pixels(path, bits)), scale)
    if images.low:
        lr = to_tensor(read_pixels(images.low[number], bits))
        lr = lr if lr.shape[1] == hr.shape[1] else to_channels(lr, Colour.rgb)[:, : hr.shape[1]]
    elif degradation is not None:
        lr = degradation(hr, scale, picture_key(list(images.named)[number]))
    else:
        lr = quantise(shrink(hr, scale))
    return ExamplePicture(path.stem, lr.float(), hr.float(), scale, colour)
