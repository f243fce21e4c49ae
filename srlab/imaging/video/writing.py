"""Writing video files through PyAV: H.264, or VP9 in WebM; sound and subtitles as they are."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, BinaryIO

from srlab.errors import UserError
from srlab.imaging.video.clip import Clip, is_copied
from srlab.imaging.video.files import pyav
from srlab.imaging.video.frames import STUDIO, reformatted

if TYPE_CHECKING:
    from av import Packet, VideoFrame

# Settings that keep up with a network and lose little: 45 dB and more at 1080p.
_H264 = ("libx264", {"preset": "veryfast", "crf": "18"})
_VP9_SETTINGS = {"crf": "20", "b": "0", "deadline": "realtime", "cpu-used": "8", "row-mt": "1"}
_FORMATS = {
    ".mp4": ("mp4", *_H264),
    ".m4v": ("mp4", *_H264),
    ".mov": ("mov", *_H264),
    ".mkv": ("matroska", *_H264),
    ".webm": ("webm", "libvpx-vp9", _VP9_SETTINGS),
}
_OF_THE_FILE = {"major_brand", "minor_version", "compatible_brands", "encoder"}


def can_write(kind: str) -> bool:
    """Say whether video is written into files with this suffix."""
    return kind.lower() in _FORMATS


def check_output(kind: str, height: int, width: int) -> None:
    """Check, before the work, that a video of this size can be written.

    Raises:
        UserError: The suffix names no container, or its codec takes no odd number of pixels.
    """
    if not can_write(kind):
        raise UserError(f"cannot write video of type {kind!r}; use {', '.join(_FORMATS)}")
    if (height % 2 or width % 2) and _FORMATS[kind.lower()][1] == "libx264":
        raise UserError(
            f"H.264 takes no odd number of pixels, and the clip would have {width}x{height}: "
            "name the output .webm, whose VP9 does"
        )


@contextmanager
def clip_writer(
    file: BinaryIO, kind: str, height: int, width: int, like: Clip
) -> Iterator[Callable[["VideoFrame | Packet"], None]]:
    """Write a video file, whose frames and packets are given in the body.

    Args:
        file: Where the bytes go, from its beginning; the file is whole at the end of the body.
        kind: File suffix that names the container: ``.mp4``, ``.mkv``, ...
        height: Rows of its frames.
        width: Columns.
        like: The clip whose sound, subtitles, colours, shape of pixels, rotation, titles and
            chapters it gets. Subtitles that the container does not take are left out.

    Yields:
        A function of frames ``yuv420p`` or ``rgb24`` and of packets, which get another stream.

    Raises:
        UserError: The container does not take the size or the sound, or encoding fails.
    """
    check_output(kind, height, width)
    av = pyav()
    form, codec, settings = _FORMATS[kind.lower()]
    container = av.open(file, "w", format=form)
    try:
        stream = _add_picture(container, codec, settings, height, width, like)
        copies = _add_others(container, kind, like)
        titles = like.container.metadata.items()
        container.metadata.update({k: v for k, v in titles if k not in _OF_THE_FILE})
        container.set_chapters(like.container.chapters())
        reformatter = av.video.reformatter.VideoReformatter()
        colours = {"dst_colorspace": like.first.colorspace, "dst_color_range": STUDIO}

        def write(item: Any) -> None:
            if isinstance(item, av.Packet):
                if item.stream_index in copies:
                    item.stream = copies[item.stream_index]
                    container.mux_one(item)
                return
            if item.format.name != "yuv420p":
                item = reformatted(reformatter, item, "yuv420p", **colours)
            container.mux(stream.encode(item))

        yield write
        container.mux(stream.encode(None))
        container.close()
    except BaseException as error:
        with suppress(Exception):  # there is nothing to finish
            container.close()
        if isinstance(error, av.error.FFmpegError):
            raise UserError(f"cannot write the video as {kind}: {error.strerror}") from None
        raise


def _add_picture(
    container: Any, codec: str, settings: dict[str, str], height: int, width: int, like: Clip
) -> Any:
    """Add the video stream."""
    av = pyav()
    try:
        stream = container.add_stream(codec, rate=like.stream.average_rate, options=dict(settings))
    except av.codec.codec.UnknownCodecError:
        raise UserError(f"this PyAV has no encoder {codec}") from None
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    stream.time_base = stream.codec_context.time_base = like.stream.time_base
    stream.codec_context.flags |= av.codec.context.Flags.frame_duration
    shape = like.stream.sample_aspect_ratio
    if shape and shape != 1 and codec == "libvpx-vp9":
        raise UserError(
            f"the pixels of {like.path} are {shape} as wide as high, which PyAV does not write "
            "into .webm: name the output .mkv"
        )
    if shape:
        stream.codec_context.sample_aspect_ratio = shape
    stream.color_range = STUDIO
    for tag in ("color_primaries", "color_trc", "colorspace"):
        setattr(stream, tag, getattr(like.first, tag))
    if like.rotation:
        stream.set_display_rotation(like.rotation)
    _copy_words(like.stream, stream)
    return stream


def _add_others(container: Any, kind: str, like: Clip) -> dict[int, Any]:
    """Add streams for sound and subtitles; return them by the index of what they copy."""
    copies = {}
    for source in filter(is_copied, like.container.streams):
        try:
            copies[source.index] = stream = container.add_stream_from_template(source)
        except ValueError:
            if source.type == "subtitle":
                continue
            raise UserError(
                f"{kind} does not take the sound of {like.path} ({source.name}): "
                "name the output .mkv, which takes nearly all"
            ) from None
        _copy_words(source, stream)
    return copies


def _copy_words(source: Any, target: Any) -> None:
    """Copy a stream's language, title and disposition."""
    target.metadata.update(source.metadata)
    target.disposition = source.disposition
