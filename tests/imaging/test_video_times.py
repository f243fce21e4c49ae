"""Guards: frames keep their own times, sound stays with them, and late starts stay late."""

from fractions import Fraction
from itertools import pairwise
from types import SimpleNamespace

import pytest
from clips import MS, av, frames_of, make_clip, nearest, packets_of, times_of

from srlab.commands.upscale.video import upscale_video
from srlab.imaging.sizes import by_factor
from srlab.imaging.video.times import Times, fine


def frame(time, base, duration=0):
    return SimpleNamespace(pts=time, dts=None, time_base=base, duration=duration)


def stamped(times, base, duration=0):
    """The seconds at which frames are put that stand at these times."""
    clock, frames = Times(base, False), [frame(time, base, duration) for time in times]
    for one in frames:
        clock.stamp(one)
    return [one.pts * one.time_base for one in frames]


@pytest.mark.parametrize("base", [MS, Fraction(1, 90_000), Fraction(1, 25), Fraction(1001, 30_000)])
def test_a_repeated_time_moves_its_own_frame_only(base):
    units = max(round(Fraction(1, 25) / base), 1)  # of a frame, or one where a tick is longer
    times = [n * units for n in (0, 1, 2, 2, 3, 3, 3, 4, 5)]
    found = stamped(times, base)
    for time, place in zip(times, found, strict=True):
        assert 0 <= place - time * base < Fraction(6, 1000)
    assert found[-1] == times[-1] * base
    # Apart in milliseconds, too, which is all that Matroska counts.
    rounded = [round(place * 1000) for place in found]
    assert sorted(set(rounded)) == rounded


def test_frames_without_times_follow_each_other():
    assert stamped([None, None, None], MS, 40) == [0, 40 * MS, 80 * MS]


def test_fine_time_bases_are_kept_and_coarse_ones_divided():
    for base in (MS, Fraction(1, 12_800), Fraction(1, 25), Fraction(1001, 30_000), Fraction(1)):
        assert fine(base) <= MS
        assert (base / fine(base)).denominator == 1
    assert fine(Fraction(1, 90_000)) == Fraction(1, 90_000)


@pytest.mark.parametrize(
    ("kind", "codecs"),
    [("mkv", {}), ("webm", {"codec": "libvpx-vp9", "sound": "libopus"}), ("mp4", {})],
)
def test_a_clip_that_starts_late_is_whole_and_stays_late(tmp_path, kind, codecs):
    times = [10_000 + time for time in (0, 40, 80, 130, 400)]
    source = make_clip(tmp_path / f"clip.{kind}", times, **codecs)
    target = tmp_path / f"large.{kind}"
    upscale_video(source, target, nearest(2), by_factor(2), False)
    assert times_of(target) == times_of(source) == [time * MS for time in times]
    assert packets_of(target) == packets_of(source)


@pytest.mark.parametrize("kind", ["mkv", "mp4", "webm"])
def test_repeated_times_do_not_drift_from_the_sound(tmp_path, kind):
    codecs = {"codec": "libvpx-vp9", "sound": "libopus"} if kind == "webm" else {}
    times = sorted([40 * n for n in range(20)] + [40 * n for n in range(3, 20, 4)])
    source = make_clip(tmp_path / "clip.mkv", times, **codecs)
    target = tmp_path / f"large.{kind}"
    upscale_video(source, target, nearest(2), by_factor(2), False)
    found = times_of(target)
    assert len(found) == len(times)
    assert all(0 <= own - time * MS <= MS for own, time in zip(found, times, strict=True))
    sound = zip(packets_of(target), packets_of(source), strict=True)
    assert all(abs(a - b) <= MS and one == two for (a, one), (b, two) in sound)


@pytest.mark.parametrize("second", [0, 3_600_000])  # the clock is set back, or it leaps
@pytest.mark.parametrize("kind", ["mkv", "mp4"])
def test_where_the_clock_was_set_anew_the_clip_goes_on(tmp_path, second, kind):
    parts = [
        make_clip(tmp_path / f"{start}.ts", [start + 40 * n for n in range(30)], rate=25)
        for start in (500, second)
    ]
    source = tmp_path / "joined.ts"
    source.write_bytes(b"".join(part.read_bytes() for part in parts))
    target = tmp_path / f"large.{kind}"
    upscale_video(source, target, nearest(2), by_factor(2), False)
    times = times_of(target)
    assert len(times) == 60
    steps = [float(b - a) for a, b in pairwise(times)]
    assert max(steps) < 0.1
    with av.open(str(target)) as file:
        sound = [p.pts * p.time_base for p in file.demux(audio=0) if p.size]
    assert len(sound) == sum(len(packets_of(part)) for part in parts)
    assert sorted(sound) == sound
    ends = [packets_of(part)[-1][0] - times_of(part)[-1] for part in parts]
    assert abs(float(sound[-1] - times[-1] - ends[1])) < 0.03


def test_packets_of_sound_at_one_time_are_taken(tmp_path):
    """MP4 wants each later than the one before; Matroska counts milliseconds."""
    bare = make_clip(tmp_path / "bare.mkv")
    source = tmp_path / "clip.mkv"
    with av.open(str(bare)) as whole, av.open(str(source), "w") as file:
        copies = [file.add_stream_from_template(stream) for stream in whole.streams]
        for number, packet in enumerate(whole.demux()):
            if packet.size:
                if packet.stream.type == "audio" and number % 5 == 0:
                    packet.pts = packet.dts = max(packet.dts - 21, 0)
                packet.stream = copies[packet.stream_index]
                file.mux(packet)
    for kind in ("mp4", "mkv"):
        target = tmp_path / f"large.{kind}"
        upscale_video(source, target, nearest(2), by_factor(2), False)
        assert len(frames_of(target)) == len(frames_of(source))
        sound = zip(packets_of(target), packets_of(source), strict=True)
        assert all(abs(a - b) <= MS and one == two for (a, one), (b, two) in sound)
