"""Give damaged pictures to srlab: to what reads them for training, and to ``srlab upscale``.

usage: python scripts/fuzz/pictures.py [--seed 0] [--count 100] [--first 0] [--keep FOLDER]

Small pictures of every format, of 8 and 16 bits, grey, in colour, with alpha, palette or several
frames, are damaged in one way of ``mutations.py`` each; ten lie in a folder beside a sound one.
Faults are what ``cases.plain_faults`` names, and: the sound picture is not enlarged as ever; an
output is not whole; a picture is left out in silence; something is left over or changed; a file
that is cut off, or a PNG whose CRCs tell, is read as other pixels.
"""

import contextlib
import hashlib
import io
import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from cases import Case, Outcome, in_fork, left_over, plain_faults, run_tool
from mutations import (
    PNG,
    chunks,
    cut,
    field,
    flip,
    flip_early,
    overwrite,
    png_chunks,
    splice,
)
from PIL import Image

from srlab.command_line.invocation import Invocation
from srlab.commands.upscale.command import run
from srlab.config.schema import UpscaleConfig
from srlab.errors import UserError
from srlab.imaging.files import SUFFIXES, read_pixels
from srlab.imaging.png import PngWriter

_DAMAGES = (flip, flip, flip_early, cut, cut, overwrite, splice, field, png_chunks)
_TOGETHER = 10  # damaged pictures in a folder
_NEAREST = {
    "_target_": "srlab.models.plain.Plain",
    "scale": 2,
    "channels": 3,
    "upsampler": {
        "_target_": "srlab.upsamplers.interpolation.Interpolate",
        "_partial_": True,
        "mode": "nearest",
    },
}


def sound_pictures() -> dict[str, bytes]:
    """Return files of pictures by names that say what they are, with the suffix."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:11, :13]
    planes = [10 * x + 5 * y, 200 - 12 * y, 90 + x * y, 255 - 9 * x * (y > 3)]
    levels = np.stack(planes, axis=-1) + rng.integers(0, 6, (11, 13, 4))
    rgba = Image.fromarray(levels.clip(0, 255).astype(np.uint8))
    modes = {mode: rgba.convert(mode) for mode in ("1", "L", "LA", "RGB", "RGBA", "CMYK")}
    modes["P"] = modes["RGB"].quantize(16)
    deep = levels.clip(0, 255).astype(np.uint16) * 257
    modes["I;16"] = Image.fromarray(deep[..., 0])
    tags = Image.Exif()
    tags[0x0112], tags[0x010E] = 6, "a picture"
    frames = [modes["P"].rotate(angle) for angle in (0, 90, 180)]
    film: dict[str, Any] = {"save_all": True, "append_images": frames[1:], "duration": 80}
    made = {}
    for kind, (kinds, ways) in {
        "png": ("1 L LA RGB RGBA P I;16", {"exif": {"exif": tags}, "pale": {"transparency": 3}}),
        "jpg": ("L RGB CMYK", {"exif": {"exif": tags}, "progressive": {"progressive": True}}),
        "bmp": ("1 L RGB RGBA P", {}),
        "gif": ("L P", {"pale": {"transparency": 3}}),
        "tif": ("1 L LA RGB RGBA P I;16 CMYK", {
            "lzw": {"compression": "tiff_lzw"}, "deflate": {"compression": "tiff_adobe_deflate"},
            "jpeg": {"compression": "jpeg"}, "exif": {"exif": tags},
        }),
        "webp": ("RGB RGBA", {"lossless": {"lossless": True}, "exif": {"exif": tags}}),
        "ppm": ("1 L RGB I;16", {}),
        "avif": ("RGB RGBA", {}),
    }.items():  # fmt: skip
        for mode in kinds.split():
            made[f"{mode.replace(';', '')}.{kind}"] = _saved(modes[mode], kind)
        for way, options in ways.items():
            mode = "P" if way == "pale" else "RGB"
            made[f"{way}.{kind}"] = _saved(modes[mode], kind, **options)
    for kind in ("gif", "webp", "tif", "png"):
        made[f"film.{kind}"] = _saved(frames[0].convert("RGB"), kind, **film)
    for channels in (2, 3, 4):
        file = io.BytesIO()
        with PngWriter(file, 11, 13, channels, 16, None, None) as png:
            png.write(deep[..., 4 - channels :])
        made[f"deep{channels}.png"] = file.getvalue()
    return made


def _saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    names = {"jpg": "JPEG", "tif": "TIFF"}
    image.save(file, names.get(kind, kind.upper()), **options)
    return file.getvalue()


def read_and_enlarge(folder: Path, first_frame: bool) -> None:
    """Read the pictures of ``in`` as training does, to ``read.json``, then upscale them."""
    read = {}
    for path in sorted((folder / "in").iterdir()):
        try:
            pixels = read_pixels(path)
            content = repr(pixels.shape).encode() + pixels.tobytes()
            read[path.stem] = hashlib.sha256(content).hexdigest()
        except UserError as error:
            read[path.stem] = ""
            if str(path) not in str(error):
                raise RuntimeError(f"{error!r} does not name {path}") from error
    (folder / "read.json").write_text(json.dumps(read))
    config = UpscaleConfig(
        scale=2, model=_NEAREST, device="cpu", input=str(folder / "in"), output=str(folder / "out"),
        first_frame=first_frame, colour="rgb",
    )  # fmt: skip
    run(Invocation(config))


def shown(path: Path) -> str:
    """Return a digest of the pixels of a picture file, all frames; raise if it is not whole."""
    data = path.read_bytes()
    digest = hashlib.sha256()
    with Image.open(io.BytesIO(data)) as image:
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            image.load()
            digest.update(f"{image.size} {image.mode}".encode() + image.tobytes())
    if data.startswith(PNG):  # of 16 bits, of which Pillow shows 8
        for name, content in chunks(data):
            digest.update(content if name in (b"IHDR", b"IDAT") else b"")
    return digest.hexdigest()


def outputs(folder: Path, stem: str) -> list[str]:
    """Return the digest of each picture that was made of one."""
    return [shown(path) for path in sorted((folder / "out").glob(f"{stem}_x2.*"))]


@dataclass
class Damaged:
    """A picture that was damaged.

    Args:
        stem: What its file is called.
        origin: The name of the sound one.
        path: The file.
        data: Its content.
        what: What it is and what was done to it.
        telling: Whether what is read of it at all must be what was there before.
    """

    stem: str
    origin: str
    path: Path
    data: bytes
    what: str
    telling: bool


def damage_one(random: Random, made: dict[str, bytes], stem: str, folder: Path) -> Damaged:
    """Damage one of the sound pictures, and write it."""
    origin = random.choice(list(made))
    is_png = origin.endswith(".png")
    damage = random.choice(_DAMAGES if is_png else _DAMAGES[:-1])
    name, what = origin, f"{damage.__name__} of {origin}"
    if random.random() < 0.05:  # is called another type
        name = f"any{random.choice(sorted(SUFFIXES))}"
        what += f" as {name}"
    data = damage(random, made[origin])
    path = folder / f"{stem}.{name.rpartition('.')[2]}"
    path.write_bytes(data)
    telling = damage is cut or (is_png and damage is not png_chunks)
    return Damaged(stem, origin, path, data, f"{stem}, {what}", telling)


def prepare(place: Path) -> Case:
    """Make the sound pictures, see what srlab makes of them, and return a case."""
    made = sound_pictures()
    good, warm = made["RGB.png"], place / "warm"
    (warm / "in").mkdir(parents=True)
    (warm / "in/a.png").write_bytes(made["deep4.png"])
    quiet = contextlib.redirect_stdout(io.StringIO())
    with quiet, warnings.catch_warnings(action="ignore"):  # here, for what it imports
        read_and_enlarge(warm, False)
    expected = {first: _expected(place / f"sound{first}", made, first) for first in (False, True)}

    def case(random: Random, folder: Path) -> tuple[str, list[str]]:
        first_frame = random.random() < 0.5
        (folder / "in").mkdir()
        sound = folder / "in/a.png"
        sound.write_bytes(good)
        some = [damage_one(random, made, f"p{n}", folder / "in") for n in range(_TOGETHER)]
        some.append(Damaged("a", "RGB.png", sound, good, "the sound one beside them", True))
        outcome = in_fork(lambda: read_and_enlarge(folder, first_frame))
        faults = plain_faults(outcome)
        faults += [f"{name} is left over" for name in left_over(folder)]
        if outcome.status in (0, 2):
            read = json.loads((folder / "read.json").read_text())
            for one in some:
                found = _faults(one, read[one.stem], expected[first_frame], outcome, folder)
                faults += [f"{one.what}: {fault}" for fault in found]
        return f"{_TOGETHER} pictures{', first_frame' * first_frame}", faults

    return case


def _expected(
    folder: Path, made: dict[str, bytes], first_frame: bool
) -> dict[str, tuple[str, list[str]]]:
    """Return what is read and what is written of each sound picture."""
    (folder / "in").mkdir(parents=True)
    stems = {name: f"p{number}" for number, name in enumerate(made)}
    for name, data in made.items():
        (folder / "in" / f"{stems[name]}.{name.rpartition('.')[2]}").write_bytes(data)
    outcome = in_fork(lambda: read_and_enlarge(folder, first_frame))
    read = json.loads((folder / "read.json").read_text())
    found = {name: (read[stem], outputs(folder, stem)) for name, stem in stems.items()}
    silent = [
        n for n, (_, made) in found.items() if not made and f"{stems[n]}." not in outcome.said
    ]
    if faults := plain_faults(outcome) + silent:
        raise RuntimeError(f"sound pictures are not enlarged: {faults} {outcome.said}")
    return found


def _faults(
    one: Damaged,
    read: str,
    expected: dict[str, tuple[str, list[str]]],
    outcome: Outcome,
    folder: Path,
) -> list[str]:
    faults = [] if one.path.read_bytes() == one.data else ["it was changed"]
    try:
        made = outputs(folder, one.stem)
    except (OSError, ValueError, SyntaxError) as error:
        return [*faults, f"its output is not whole: {error}"]
    should_be_read, should_be_made = expected[one.origin]
    complained = one.path.name in outcome.said.partition("srlab: ")[2]
    if bool(made) == complained:
        faults.append("it is complained of and enlarged" if made else "it is left out in silence")
    if one.telling and read not in ("", should_be_read):
        faults.append("other pixels are read, and nothing is said")
    if one.telling and made and should_be_made and made != should_be_made:
        faults.append("other pixels are written, and nothing is said")
    if one.stem == "a" and not made:
        faults.append("it is not enlarged as ever")
    return faults


if __name__ == "__main__":
    run_tool(__doc__ or "", prepare)
