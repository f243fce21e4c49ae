"""What tests of videos share: small clips, and what is in a file.

Importing it skips the tests where PyAV is not installed.
"""

from fractions import Fraction

import numpy as np
import pytest

av = pytest.importorskip("av", reason="PyAV is not installed: pip install 'srlab[video]'")

SOUND = 48_000
UNEVEN = (0, 100, 130, 300, 500, 510, 900, 1300)  # milliseconds
MS = Fraction(1, 1000)


def make_clip(path, times=UNEVEN, size=(48, 64), sound="aac", codec="libx264", form="yuv420p",
              rotation=0, mirrored=False, rate=10, **tags):  # fmt: skip
    """Write a clip of moving gradients whose frames stand at the given milliseconds.

    Its sound begins with it. Of a format with transparency, frame n has n times 30 of it.
    """
    height, width = size
    y, x = np.mgrid[:height, :width]
    settings = {"libx264": {"crf": "10", "g": "4"}, "libvpx": {"auto-alt-ref": "0"}}
    with av.open(str(path), "w") as file:
        picture = file.add_stream(codec, rate=rate, options=settings.get(codec, {}))
        picture.width, picture.height, picture.pix_fmt = width, height, form
        picture.time_base = picture.codec_context.time_base = MS
        for name, value in tags.items():
            setattr(picture.codec_context, name, value)
        if rotation or mirrored:
            picture.set_display_rotation(rotation, hflip=mirrored)
        voice = file.add_stream(sound, rate=SOUND) if sound else None
        done = 0
        for number, time in enumerate(times):
            levels = [60 + x + 4 * number, 200 - 2 * y, 90 + x // 2 + y, 0 * x + 30 * number]
            rgba = np.stack(levels, axis=-1).clip(0, 255).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(rgba, "rgba").reformat(format=form)
            frame.pts, frame.time_base = time, MS
            file.mux(picture.encode(frame))
            while voice and done < (time - times[0]) * SOUND // 1000:
                wave = np.sin(np.arange(done, done + 1024) / 17).astype(np.float32)
                block = av.AudioFrame.from_ndarray(np.stack([wave, wave]), "fltp", "stereo")
                block.sample_rate, block.time_base = SOUND, Fraction(1, SOUND)
                block.pts = done + times[0] * SOUND // 1000
                file.mux(voice.encode(block))
                done += 1024
        file.mux(picture.encode(None))
        if voice:
            file.mux(voice.encode(None))
    return path


def frames_of(path):
    with av.open(str(path)) as file:
        return list(file.decode(video=0))


def times_of(path):
    return [frame.pts * frame.time_base for frame in frames_of(path)]


def packets_of(path, kind="audio"):
    with av.open(str(path)) as file:
        packets = file.demux(**{kind: 0})
        return [(p.pts * p.time_base, bytes(p)) for p in packets if p.size]


def nearest(scale):
    def upscale(pixels):
        yield pixels.repeat(scale, 0).repeat(scale, 1)

    return upscale
