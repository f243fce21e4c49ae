"""Guards: LIIF is what its authors compute, by one set of weights at every scale."""

import torch
import torch.nn.functional as F
from common import above, largest, picture
from upsamplers.variants import SCALES, with_any_weights

from srlab.imaging.resample import crop
from srlab.upsamplers.liif import LIIF


def centres(count):
    """The centres of pixels in ``[-1, 1]``."""
    return (2 * torch.arange(count, dtype=torch.float64) + 1) / count - 1


def answer(liif, seen):
    """The network of the paper, of rows that hold what it sees: 9 C features, offset and cell."""
    weight = torch.cat([liif.first.weight.flatten(1), liif.place.weight], dim=1)
    x = torch.relu(F.linear(seen, weight, liif.first.bias))
    for layer in liif.between:
        x = torch.relu(F.linear(x, layer.weight[:, :, 0, 0], layer.bias))
    return F.linear(x, liif.last.weight[:, :, 0, 0], liif.last.bias)


def queried(liif, image):
    """Each pixel by the authors' rule: the nearest pixels of four places, weighed by areas."""
    height, width = image.shape[-2:]
    rows, columns = liif.scale * height, liif.scale * width
    unfolded = F.unfold(image, 3, padding=1).view(1, -1, height, width)
    own = torch.stack(torch.meshgrid(centres(height), centres(width), indexing="ij"))[None]
    place = torch.stack(torch.meshgrid(centres(rows), centres(columns), indexing="ij"), dim=-1)
    size = torch.tensor([height, width], dtype=torch.float64)
    cell = (2 / torch.tensor([rows, columns], dtype=torch.float64) * size).expand(rows, columns, 2)
    answers, areas = [], []
    for down in (-1, 1):
        for across in (-1, 1):
            moved = place + torch.tensor([down / height, across / width]) + 1e-6
            grid = moved.clamp(-1 + 1e-6, 1 - 1e-6).flip(-1)[None]
            near, centre = (
                F.grid_sample(x, grid, mode="nearest", align_corners=False)[0].permute(1, 2, 0)
                for x in (unfolded, own)
            )
            offset = (place - centre) * size
            answers.append(answer(liif, torch.cat([near, offset, cell], dim=-1)))
            areas.append(offset.prod(dim=-1).abs())
    areas.reverse()  # each answer has the area that lies diagonally opposite
    mixed = [a * (area / sum(areas))[..., None] for a, area in zip(answers, areas, strict=True)]
    return sum(mixed).permute(2, 0, 1)[None]


def test_it_computes_what_the_authors_do():
    errors = {}
    for scale in SCALES:
        for depth in (1, 3):
            liif = with_any_weights(LIIF(3, 2, scale, hidden=6, depth=depth))
            image = picture(1, 3, 8, 7)
            expected = crop(queried(liif, image), 2 * scale)
            errors[scale, depth] = largest(liif(image) - expected)
    assert not above(errors, 1e-12)
