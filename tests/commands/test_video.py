"""Guards: an upscaled clip keeps times, sound and tags, and no half file is left."""

import math
import re
import sys
from contextlib import contextmanager
from fractions import Fraction
from itertools import count

import numpy as np
import pytest
import torch
from clips import MS, UNEVEN, frames_of, make_clip, nearest, packets_of, times_of
from common import ran
from PIL import Image

from srlab.assembly.network import Network
from srlab.command_line.invocation import Invocation
from srlab.commands.upscale import command as upscale_command
from srlab.commands.upscale import video as video_command
from srlab.commands.upscale.video import upscale_video
from srlab.config.schema import UpscaleConfig
from srlab.errors import UserError
from srlab.imaging.sizes import by_factor
from srlab.imaging.video.chroma import enlarge_chroma, stretch_chroma
from srlab.imaging.video.clip import Clip
from srlab.imaging.video.frames import plane
from srlab.models.espcn import ESPCN
from srlab.models.plain import Plain
from srlab.upsamplers.interpolation import Interpolate
from srlab.upsamplers.pixel_shuffle import PixelShuffle
from srlab.words import Colour, UpscalePrecision

av = pytest.importorskip("av", reason="PyAV is not installed: pip install 'srlab[video]'")


@pytest.fixture
def clip(tmp_path):
    return make_clip(tmp_path / "clip.mp4")


def bicubic(scale):
    network = Network(Plain(Interpolate, scale), scale, Colour.y, "bicubic", None, None)
    return network.pixel_upscaler("auto", False, UpscalePrecision.auto)


@contextmanager
def _kept(frames):
    yield lambda item: frames.append(item) if isinstance(item, av.VideoFrame) else None


def upscaled(monkeypatch, source, target, upscale, scale, rgb=False):
    """The frames that would be encoded."""
    frames = []
    monkeypatch.setattr(video_command, "clip_writer", lambda *_: _kept(frames))
    upscale_video(source, target, upscale, by_factor(scale), rgb)
    return frames


# --- what is kept


@pytest.mark.parametrize("kind", [".mp4", ".mov"])
def test_times_sound_and_tags_are_kept(tmp_path, kind):
    tags = {"color_range": 1, "colorspace": 1, "color_primaries": 1, "color_trc": 1}
    shape = {"sample_aspect_ratio": Fraction(4, 3)}
    source = make_clip(tmp_path / f"clip{kind}", rotation=90, **tags, **shape)
    target = tmp_path / f"large{kind}"
    upscale_video(source, target, bicubic(3), by_factor(3), False)
    assert times_of(target) == times_of(source) == [time * MS for time in UNEVEN]
    assert packets_of(target) == packets_of(source)
    frame = frames_of(target)[0]
    assert (frame.width, frame.height, frame.rotation) == (192, 144, 90)
    assert {name: getattr(frame, name) for name in tags} == tags
    with av.open(str(target)) as file:
        assert file.streams.video[0].sample_aspect_ratio == Fraction(4, 3)
        assert file.streams.video[0].codec_context.name == "h264"


def test_matroska_keeps_milliseconds_sound_subtitles_and_titles(tmp_path):
    source = tmp_path / "clip.mkv"
    with av.open(str(make_clip(tmp_path / "bare.mkv"))) as bare, av.open(str(source), "w") as file:
        copies = [file.add_stream_from_template(stream) for stream in bare.streams]
        words = file.add_mux_stream("subrip", time_base=MS)
        file.metadata["title"] = "A title"
        for packet in bare.demux():
            if packet.size:
                packet.stream = copies[packet.stream_index]
                file.mux(packet)
        packet = av.Packet(b"words")
        packet.stream, packet.time_base = words, MS
        packet.pts = packet.dts = packet.duration = 200
        file.mux(packet)
    target = tmp_path / "large.mkv"
    upscale_video(source, target, nearest(2), by_factor(2), False)
    assert times_of(target) == times_of(source)
    assert packets_of(target) == packets_of(source)
    assert packets_of(target, "subtitles") == [(Fraction(1, 5), b"words")]
    with av.open(str(target)) as file:
        assert file.metadata["title"] == "A title"
    target = tmp_path / "large.mp4"  # takes no SubRip
    upscale_video(source, target, nearest(2), by_factor(2), False)
    with av.open(str(target)) as file:
        assert [s.type for s in file.streams] == ["video", "audio"]


def test_a_file_without_times_of_frames_is_read_in_order(tmp_path):
    source = make_clip(tmp_path / "clip.avi", range(0, 800, 100), codec="mpeg4", sound="mp3")
    upscale_video(source, tmp_path / "large.mp4", nearest(2), by_factor(2), False)
    times = times_of(tmp_path / "large.mp4")
    assert times == sorted(set(times))
    assert len(times) == len(frames_of(source))
    assert [p for _, p in packets_of(tmp_path / "large.mp4")] == [p for _, p in packets_of(source)]


# --- what the pixels are


def test_luma_is_the_networks_and_chroma_bicubic(tmp_path, clip, monkeypatch):
    torch.manual_seed(1)
    module = ESPCN(PixelShuffle, 3).eval()
    network = Network(module, 3, Colour.y, "ESPCN", None, None)
    upscale = network.pixel_upscaler("auto", False, UpscalePrecision.auto)
    made = upscaled(monkeypatch, clip, tmp_path / "large.mp4", upscale, 3)
    decoded = frames_of(clip)
    assert len(made) == len(decoded)
    for small, large in zip(decoded, made, strict=True):
        y = torch.from_numpy(plane(small).copy()).div(255)[None, None]
        with torch.inference_mode():
            wanted = module(y).mul(255).clamp(0, 255)[0, 0]
        assert (torch.from_numpy(plane(large)) - wanted).abs().max() < 0.51
        for number in (1, 2):
            chroma = torch.from_numpy(plane(small, number).astype(np.float64))[None, None]
            wanted = enlarge_chroma(chroma, 3).clamp(0, 255)[0, 0]
            assert (torch.from_numpy(plane(large, number)) - wanted).abs().max() < 0.51


def test_a_clip_becomes_any_size_with_its_chroma_where_it_lies(tmp_path, clip):
    """Of 64x48: told where the shape changes, and where players turn it in pixels not at all."""
    command = ["upscale", "model=espcn_x2", f"input={clip}"]
    made = ran(tmp_path, *command, "size=110x90", "output=large.mp4")
    assert made.returncode == 0, made.stderr
    assert "as 110x90 it looks 8 % narrower than it was" in made.stdout
    assert "large.mp4  110x90  8 frames" in made.stdout
    size, new = (48, 64), (90, 110)
    for small, large in zip(frames_of(clip), frames_of(tmp_path / "large.mp4"), strict=True):
        for number in (1, 2):
            chroma = torch.from_numpy(plane(small, number).astype(np.float64))[None, None]
            wanted = stretch_chroma(chroma, size, new)[0, 0].numpy()
            assert abs(plane(large, number) - wanted).mean() < 1.5  # what its codec does
    turned = make_clip(tmp_path / "turned.mp4", rotation=90)
    refusal = ran(tmp_path, *command[:2], f"input={turned}", "width=90", "output=b.mp4")
    assert refusal.returncode == 2
    assert "turned.mp4: it is stored as 64x48 and players turn it" in refusal.stderr
    for size in ("width=40", "size=40x100"):
        refusal = ran(tmp_path, *command, size, "output=b.mp4")
        assert "clip.mp4: it has 64x48 pixels, and videos are enlarged only" in refusal.stderr
    made = ran(tmp_path, *command[:2], f"input={turned}", "scale=1.5")
    assert made.returncode == 0, made.stderr
    assert (tmp_path / "turned_x1.5.mp4").exists()


def test_chroma_of_any_size_is_that_of_whole_scales_between_them():
    planes = torch.rand(2, 1, 12, 16, dtype=torch.float64)
    for scale in (2, 3):
        ours = stretch_chroma(planes, (24, 32), (24 * scale, 32 * scale))
        torch.testing.assert_close(ours, enlarge_chroma(planes, scale))
    odd = stretch_chroma(planes, (23, 31), (35, 47))
    assert odd.shape == (2, 1, 18, 24)


def test_chroma_stays_where_it_lies():
    def ramp(height, width, scale):
        """Samples of a slope over the small picture's pixels, on even columns, between rows."""
        y = (2 * torch.arange(height, dtype=torch.float64) + 1) / scale - 0.5
        x = (2 * torch.arange(width, dtype=torch.float64) + 0.5) / scale - 0.5
        return y[:, None] + 3 * x

    for scale in (2, 3, 4):
        made = enlarge_chroma(ramp(12, 15, 1)[None, None], scale)[0, 0]
        inner = (slice(3 * scale, -3 * scale),) * 2  # beyond it the border is mirrored
        torch.testing.assert_close(made[inner], ramp(12 * scale, 15 * scale, scale)[inner])


def test_the_file_holds_what_was_made_up_to_its_codec(tmp_path, clip, monkeypatch):
    upscale_video(clip, tmp_path / "real.mp4", bicubic(2), by_factor(2), False)
    made = upscaled(monkeypatch, clip, tmp_path / "large.mp4", bicubic(2), 2)
    for wanted, found in zip(made, frames_of(tmp_path / "real.mp4"), strict=True):
        for number in range(3):
            error = plane(wanted, number).astype(float) - plane(found, number)
            assert 20 * math.log10(255 / np.sqrt((error**2).mean())) > 38


@pytest.mark.parametrize("matrix", [1, 6])
def test_a_network_that_sees_rgb_gets_it_and_colours_return(tmp_path, matrix):
    source = make_clip(tmp_path / "clip.mp4", colorspace=matrix)
    seen = []

    def upscale(pixels):
        seen.append(pixels.copy())
        yield from nearest(2)(pixels)

    upscale_video(source, tmp_path / "large.mp4", upscale, by_factor(2), True)
    small, large = frames_of(source)[0], frames_of(tmp_path / "large.mp4")[0]
    assert seen[0].shape == (48, 64, 3)
    assert large.colorspace == matrix
    for number in range(3):
        wanted = plane(small, number).repeat(2, 0).repeat(2, 1).astype(float)
        assert np.abs(plane(large, number) - wanted).mean() < 1


def test_full_range_becomes_studio_swing(tmp_path):
    source = make_clip(tmp_path / "clip.mp4", form="yuvj420p", color_range=2)
    upscale_video(source, tmp_path / "large.mp4", nearest(2), by_factor(2), False)
    small, large = frames_of(source)[0], frames_of(tmp_path / "large.mp4")[0]
    assert small.color_range == 2
    assert large.color_range != 2
    wanted = 16 + plane(small).repeat(2, 0).repeat(2, 1) * (219 / 255)
    assert np.abs(plane(large) - wanted).mean() < 1


def test_of_ten_bits_eight_are_kept_and_told(tmp_path, capsys):
    source = make_clip(tmp_path / "clip.mkv", form="yuv420p10le")
    upscale_video(source, tmp_path / "large.mkv", nearest(2), by_factor(2), False)
    assert "10 bits a channel become 8" in capsys.readouterr().out
    assert frames_of(tmp_path / "large.mkv")[0].format.name == "yuv420p"


# --- odd sizes


def test_vp9_holds_odd_sizes(tmp_path):
    source = make_clip(tmp_path / "clip.webm", size=(47, 63), codec="libvpx-vp9", sound="libopus")
    upscale_video(source, tmp_path / "large.webm", bicubic(3), by_factor(3), False)
    large = frames_of(tmp_path / "large.webm")
    assert {(frame.width, frame.height) for frame in large} == {(189, 141)}
    assert packets_of(tmp_path / "large.webm") == packets_of(source)
    upscale_video(source, tmp_path / "even.mkv", bicubic(2), by_factor(2), False)
    assert frames_of(tmp_path / "even.mkv")[0].height == 94


@pytest.mark.parametrize("rgb", [False, True])
def test_h264_has_even_sizes_by_repeating_the_last_row_and_column(
    tmp_path, capsys, monkeypatch, rgb
):
    codec = {"codec": "libvpx-vp9", "sound": None, "times": (0, 100, 200)}
    source = make_clip(tmp_path / "clip.webm", size=(17, 31), **codec)
    target = tmp_path / "large.mp4"
    upscale_video(source, target, nearest(3), by_factor(3), rgb)
    assert {(frame.width, frame.height) for frame in frames_of(target)} == {(94, 52)}
    said = capsys.readouterr().out
    assert "93x51 becomes 94x52, by repeating the last row or column" in said
    assert "name the output .webm to keep it" in said
    assert f"{target}  94x52  3 frames" in said
    made = upscaled(monkeypatch, source, tmp_path / "made.mp4", nearest(3), 3, rgb)
    for small, large in zip(frames_of(source), made, strict=True):
        whole = plane(large)
        assert (whole[51] == whole[50]).all()
        assert (whole[:, 93] == whole[:, 92]).all()
        if not rgb:
            assert (whole[:51, :93] == plane(small).repeat(3, 0).repeat(3, 1)).all()


# --- no half files


def after_a_few(error):
    numbers = count()

    def upscale(pixels):
        if next(numbers) == 3:
            raise error
        yield from nearest(2)(pixels)

    return upscale


@pytest.mark.parametrize("error", [RuntimeError("out of memory"), KeyboardInterrupt()])
def test_an_error_or_ctrl_c_in_the_middle_leaves_nothing(tmp_path, clip, error):
    with pytest.raises(type(error)):
        upscale_video(clip, tmp_path / "large.mp4", after_a_few(error), by_factor(2), False)
    assert list(tmp_path.iterdir()) == [clip]


def test_an_error_of_the_reader_leaves_nothing(tmp_path, clip, monkeypatch):
    def items(self, whole=Clip.items):
        for number, item in enumerate(whole(self)):
            if number == 5:
                raise UserError("it is damaged")
            yield item

    monkeypatch.setattr(Clip, "items", items)
    with pytest.raises(UserError, match="damaged"):
        upscale_video(clip, tmp_path / "large.mp4", nearest(2), by_factor(2), False)
    assert list(tmp_path.iterdir()) == [clip]


def test_an_error_of_the_writer_leaves_nothing(tmp_path, clip, monkeypatch):
    @contextmanager
    def full(*_):
        numbers = count()

        def write(_):
            if next(numbers) == 2:
                raise OSError(28, "No space left on device")

        yield write

    monkeypatch.setattr(video_command, "clip_writer", full)
    with pytest.raises(UserError, match=r"large\.mp4: No space left"):
        upscale_video(clip, tmp_path / "large.mp4", nearest(2), by_factor(2), False)
    assert list(tmp_path.iterdir()) == [clip]


def test_only_a_few_items_wait():
    taken, handed = [], []
    with video_command._ahead(taken.append(n) or (n,) for n in range(50)) as items:
        for (number,) in items:
            handed.append(number)
            assert len(taken) <= len(handed) + video_command._AHEAD + 1
    assert handed == list(range(50))
    with video_command._behind(handed.append) as put:
        for number in range(50, 90):
            put(number)
    assert handed == list(range(90))


# --- messages


def refused(source, target, says):
    before = sorted(source.parent.iterdir())
    with pytest.raises(UserError, match=says) as error:
        upscale_video(source, target, nearest(2), by_factor(2), False)
    assert "\n" not in str(error.value)
    assert sorted(source.parent.iterdir()) == before


def test_what_cannot_be_written_is_refused(tmp_path, clip):
    refused(clip, tmp_path / "large.avi", r"'\.avi'; use \.mp4")
    refused(clip, tmp_path / "large.png", r"'\.png'; use \.mp4")
    refused(clip, tmp_path / "large", r"''; use \.mp4")
    refused(clip, clip, "exists already")
    refused(clip, tmp_path / "large.webm", r"sound.*aac.*\.mkv")
    wide = make_clip(tmp_path / "wide.mp4", sound=None, sample_aspect_ratio=Fraction(4, 3))
    refused(wide, tmp_path / "large.webm", r"4/3.*\.mkv")


def test_what_cannot_be_read_is_refused(tmp_path, clip):
    junk = tmp_path / "junk.mp4"
    junk.write_bytes(b"junk" * 1000)
    refused(junk, tmp_path / "large.mp4", r"junk\.mp4 is no video")
    spoken = tmp_path / "spoken.mp4"
    with av.open(str(clip)) as whole, av.open(str(spoken), "w") as file:
        voice = file.add_stream_from_template(whole.streams.audio[0])
        for packet in whole.demux(audio=0):
            if packet.size:
                packet.stream = voice
                file.mux(packet)
    refused(spoken, tmp_path / "large.mp4", "holds no video")


@pytest.mark.parametrize(
    ("kind", "says"), [("mp4", "cut off"), ("mkv", r"ends after 0\.\d of 1\.4 seconds")]
)
def test_a_clip_that_is_cut_off_is_refused_before_the_work(tmp_path, kind, says):
    source = make_clip(tmp_path / f"clip.{kind}")
    source.write_bytes(source.read_bytes()[: source.stat().st_size // 3])
    refused(source, tmp_path / "large.mp4", says)


def test_without_pyav_it_says_what_to_install(tmp_path, clip, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    refused(clip, tmp_path / "large.mp4", r"pip install 'srlab\[video\]'")


def test_pictures_and_videos_are_not_mixed(tmp_path):
    picture = tmp_path / "picture.png"
    Image.new("L", (8, 8)).save(picture)
    model = {"_target_": "srlab.models.plain.Plain", "scale": 2, "channels": 1}
    model["upsampler"] = {
        "_target_": "srlab.upsamplers.interpolation.Interpolate", "_partial_": True
    }  # fmt: skip
    for source in (picture, tmp_path):
        config = UpscaleConfig(scale=2, model=model, input=str(source), output="clip.mp4")
        with pytest.raises(UserError, match=r"clip\.mp4 is a video, but input .* is none"):
            upscale_command.run(Invocation(config))


# --- the command


def test_the_command_line_upscales_a_clip(tmp_path, clip):
    command = ["upscale", "model=bicubic", "scale=2"]
    result = ran(tmp_path, *command, f"input={clip}", f"output={tmp_path}")
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    target = tmp_path / "clip_x2.mp4"
    line = rf"{re.escape(str(target))}  128x96  8 frames  [\d.]+ s  [\d.]+ frames/s\n"
    assert re.fullmatch(line, result.stdout)
    assert len(frames_of(target)) == 8
    assert {path.name for path in tmp_path.iterdir()} == {"clip.mp4", "clip_x2.mp4"}


def test_a_terminal_sees_frames_their_rate_and_the_time_left(tmp_path, clip, monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    upscale_video(clip, tmp_path / "large.mp4", nearest(2), by_factor(2), False)
    shown = capsys.readouterr().err.split("\r\033[K")
    assert any(re.match(r"3 of 8 frames  [\d.]+ frames/s  0:00:00 left", text) for text in shown)
    assert shown[-1] == ""
