"""Guards: what a clip holds beside its picture goes along or is named; transparency does, too."""

import io
import re

import numpy as np
import pytest
from clips import av, make_clip, nearest, packets_of
from PIL import Image

from srlab.commands.upscale.video import upscale_video
from srlab.errors import UserError
from srlab.imaging.sizes import by_factor
from srlab.imaging.video.frames import plane, turn_of


def picture_file():
    file = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(file, "JPEG")
    return file.getvalue()


@pytest.fixture
def rich(tmp_path):
    """A Matroska file with two sounds, subtitles, a font, a cover and a chapter."""
    path = tmp_path / "rich.mkv"
    bare = make_clip(tmp_path / "bare.mkv")
    with av.open(str(bare)) as whole, av.open(str(path), "w") as file:
        kinds = [whole.streams[0], whole.streams[1], whole.streams[1]]
        copies = [file.add_stream_from_template(stream) for stream in kinds]
        copies[2].metadata["language"] = "swe"
        words = file.add_mux_stream("subrip", time_base=copies[0].time_base)
        file.add_attachment("a.ttf", "font/ttf", b"letters")
        file.add_attachment("cover.jpg", "image/jpeg", picture_file())
        chapter = {"id": 1, "start": 0, "end": 700, "metadata": {"title": "One"}}
        file.set_chapters([chapter | {"time_base": whole.streams[0].time_base}])
        for packet in whole.demux():
            for copy in copies[1:] if packet.stream_index else copies[:1]:
                if packet.size:
                    packet.stream = copy
                    file.mux(packet)
        packet = av.Packet(b"words")
        packet.stream, packet.time_base = words, copies[0].time_base
        packet.pts = packet.dts = packet.duration = 200
        file.mux(packet)
    return path


def held(path):
    """The kinds of streams, with their codecs or what their files are called."""
    with av.open(str(path)) as file:
        return sorted(
            (s.type, s.metadata.get("filename") or s.codec_context.name)
            for s in file.streams
            if s.type != "data"  # the chapters of MP4
        )


def test_matroska_takes_everything_along(rich, tmp_path, capsys):
    target = tmp_path / "large.mkv"
    upscale_video(rich, target, nearest(2), by_factor(2), False)
    assert held(target) == held(rich)
    assert ("attachment", "a.ttf") in held(rich)
    assert ("video", "cover.jpg") in held(rich)
    assert len(held(rich)) == 6
    assert "left out" not in capsys.readouterr().out
    with av.open(str(target)) as file:
        assert file.streams.audio[1].metadata["language"] == "swe"
        assert [c["metadata"]["title"] for c in file.chapters()] == ["One"]
        assert [s.data for s in file.streams.attachments] == [b"letters"]
        cover = next(p for p in file.demux(file.streams.video[1]) if p.size)
        assert bytes(cover) == picture_file()


def test_what_a_container_does_not_take_is_named(rich, tmp_path, capsys):
    target = tmp_path / "large.mp4"
    upscale_video(rich, target, nearest(2), by_factor(2), False)
    said = capsys.readouterr().out.splitlines()[0]
    assert said == (
        f"{rich}: left out, as .mp4 does not take it: 1 subtitle (srt), 1 attachment (font/ttf)"
    )
    assert held(target) == [
        ("audio", "aac"), ("audio", "aac"), ("video", "h264"), ("video", "mjpeg"),
    ]  # fmt: skip
    assert packets_of(target) == packets_of(rich)
    upscale_video(target, tmp_path / "larger.mp4", nearest(2), by_factor(2), False)
    assert "left out" not in capsys.readouterr().out
    with av.open(str(tmp_path / "larger.mp4")) as file:
        assert [c["metadata"]["title"] for c in file.chapters()] == ["One"]


@pytest.mark.parametrize("kind", ["mp4", "mkv"])
@pytest.mark.parametrize("turn", [(0, True), (90, False), (90, True), (-90, True), (180, False)])
def test_turned_and_mirrored_clips_stay_so(tmp_path, kind, turn):
    shape = {"rotation": turn[0], "mirrored": turn[1], "sound": None, "times": (0, 40)}
    source = make_clip(tmp_path / f"clip.{kind}", **shape)
    target = tmp_path / f"large.{kind}"
    upscale_video(source, target, nearest(2), by_factor(2), False)
    matrices = []
    for path in (source, target):
        with av.open(str(path)) as file:
            frame = next(file.decode(video=0))
            data = frame.side_data.get(av.sidedata.sidedata.Type.DISPLAYMATRIX)
            matrices.append(np.frombuffer(data, np.int32).tolist())
            assert turn_of(frame)[1] == turn[1]
    assert matrices[0] == matrices[1]


def opacity_of(path):
    """The mean transparency of each frame of a WebM, which FFmpeg's own decoder does not read."""
    with av.open(str(path)) as file:
        decoder = av.CodecContext.create("libvpx-vp9", "r")
        frames = [f for packet in file.demux(video=0) for f in decoder.decode(packet)]
    assert {frame.format.name for frame in frames} == {"yuva420p"}
    return [plane(frame, 3).mean() for frame in frames]


@pytest.mark.parametrize("rgb", [False, True])
@pytest.mark.parametrize(
    ("name", "codec", "form"),
    [
        ("clip.webm", "libvpx-vp9", "yuva420p"),
        ("clip.webm", "libvpx", "yuva420p"),
        ("clip.mov", "qtrle", "argb"),
    ],
)
def test_transparency_is_kept_in_webm(tmp_path, capsys, name, codec, form, rgb):
    times = range(0, 240, 40)
    source = make_clip(tmp_path / name, times, codec=codec, form=form, sound=None, rate=25)
    upscale_video(source, tmp_path / "large.webm", nearest(2), by_factor(2), rgb)
    assert opacity_of(tmp_path / "large.webm") == pytest.approx([30 * n for n in range(6)], abs=2)
    assert "its transparency is enlarged by bicubic" in capsys.readouterr().out


def test_transparency_that_is_left_out_is_named(tmp_path, capsys):
    given = {"codec": "libvpx-vp9", "form": "yuva420p", "sound": None}
    source = make_clip(tmp_path / "clip.webm", (0, 40, 80), **given)
    upscale_video(source, tmp_path / "large.mkv", nearest(2), by_factor(2), False)
    assert "its transparency is left out" in capsys.readouterr().out
    with av.open(str(tmp_path / "large.mkv")) as file:
        assert "alpha_mode" not in {key.lower() for key in file.streams.video[0].metadata}


@pytest.mark.parametrize(
    ("form", "tags", "said"),
    [
        ("yuv420p10le", {}, "10 bits a channel become 8"),
        ("yuv420p10le", {"color_trc": 16}, "it stays HDR (PQ), without the data of its display"),
        ("yuv422p", {}, "its colour becomes 4:2:0, from 4:2:2"),
        ("yuv444p", {}, "its colour becomes 4:2:0, from 4:4:4"),
        ("yuvj420p", {"color_range": 2}, "its full range becomes studio swing"),
        ("yuv420p", {}, ""),
    ],
)
def test_what_becomes_of_pixels_is_said(tmp_path, capsys, form, tags, said):
    source = make_clip(tmp_path / "clip.mkv", (0, 40), form=form, sound=None, **tags)
    upscale_video(source, tmp_path / "large.mkv", nearest(2), by_factor(2), False)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + bool(said)
    assert said in lines[0]


def test_frames_that_the_decoder_patched_up_are_counted(tmp_path, capsys):
    source = make_clip(tmp_path / "clip.mkv", range(0, 800, 40), sound=None, rate=25)
    data = source.read_bytes()
    packet = packets_of(source, "video")[8][1]
    middle = data.index(packet) + len(packet) // 2
    source.write_bytes(data[:middle] + b"\x55" * 8 + data[middle + 8 :])
    upscale_video(source, tmp_path / "large.mkv", nearest(2), by_factor(2), False)
    said = capsys.readouterr().out
    assert re.search(r"clip\.mkv: [1-9]\d* of its 20 frames are damaged, and look so in", said)


def test_damaged_sound_is_named_and_an_empty_stream_of_it_left_out(tmp_path, capsys):
    whole = make_clip(tmp_path / "whole.ts").read_bytes()
    source, target = tmp_path / "clip.ts", tmp_path / "large.mkv"
    header = b"\xff\xf1"  # of each packet of AAC
    last = whole.rindex(header)
    source.write_bytes(whole[:last] + bytes(2) + whole[last + 2 :])
    with pytest.raises(UserError, match=r"is damaged: its audio at \d\.\d s cannot be copied"):
        upscale_video(source, target, nearest(2), by_factor(2), False)
    assert not target.exists()
    source.write_bytes(whole.replace(header, bytes(2)))
    upscale_video(source, target, nearest(2), by_factor(2), False)
    assert "left out, as .mkv does not take it: 1 audio (aac)" in capsys.readouterr().out
