"""What models make of frames of videos.

usage: SRLAB_DATA=FOLDER python scripts/results/videos.py MODEL ...

MODEL is one that comes with srlab, a run folder or a checkpoint; all are of one scale. Each picture
of Kodak24 moves by one low-resolution pixel a frame, shrunk by MATLAB's bicubic, for eight frames
of H.264 (x264, preset medium, 4:2:0) of some qualities; told is the gain over bicubic in dB of PSNR
on Y of the last frame, the mean over the pictures. Lower crf is better quality; 23 is usual.
"""

import argparse
import io
import os
from collections.abc import Sequence
from pathlib import Path

import av
import numpy as np
import torch
from networks import Upscale, of_one_scale, y_of

from srlab.data.named import named
from srlab.imaging.colour import quantise
from srlab.imaging.files import read_pixels, to_pixels, to_tensor
from srlab.imaging.resample import crop, enlarge, shrink
from srlab.metrics.psnr import psnr

QUALITIES, FRAMES = (18, 23, 28), 8


@torch.inference_mode()
def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("models", nargs="+", help="names, run folders or checkpoints")
    models = parser.parse_args().models
    upscalers, scale = of_one_scale(models)
    paths = named("Kodak24", os.environ.get("SRLAB_DATA", "data")).paths
    print(f"| x{scale}, crf | {' | '.join(str(crf) for crf in QUALITIES)} |")
    print("|---" * (1 + len(QUALITIES)) + "|")
    columns = []
    for crf in QUALITIES:
        gains = [gains_of(path, upscalers, scale, crf) for path in paths]
        columns.append(torch.tensor(gains).mean(dim=0).tolist())
    for k, model in enumerate(models):
        print(f"| `{model}` | {' | '.join(f'{column[k]:+.2f}' for column in columns)} |")


def gains_of(path: Path, upscalers: Sequence[Upscale], scale: int, crf: int) -> list[float]:
    """Return what each gains on the last frame of a picture's video."""
    pixels = read_pixels(path)
    height, width = (side // (2 * scale) * 2 for side in pixels.shape[:2])  # 4:2:0 has even sides
    wide = width - FRAMES - FRAMES % 2
    frames = []
    for number in range(FRAMES):
        left = number * scale
        shown = pixels[: height * scale, left : left + wide * scale]
        hr = to_tensor(np.ascontiguousarray(shown))
        frames.append(to_pixels(quantise(shrink(hr, scale))))
    decoded = to_tensor(through_video(frames, crf))
    truth = crop(y_of(hr), scale)
    made = [enlarge(decoded, scale), *(upscale(decoded.float()) for upscale in upscalers)]
    bicubic, *ours = (float(psnr(crop(y_of(sr), scale), truth)) for sr in made)
    return [score - bicubic for score in ours]


def through_video(frames: list[np.ndarray], crf: int) -> np.ndarray:
    """Return the last of some frames ``(H, W, 3)``, after H.264."""
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as video:
        stream = video.add_stream("libx264", rate=24, options={"crf": str(crf)})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            video.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        video.mux(stream.encode(None))
    file.seek(0)
    with av.open(file) as video:
        return [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)][-1]


if __name__ == "__main__":
    main()
