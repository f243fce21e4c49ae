"""Reading video files.

Frames keep their times, as finely as the container counts them (Matroska and WebM: milliseconds);
sound and subtitles are copied packet by packet. Pixels are 8-bit 4:2:0 in studio swing (luma 16 to
235), what nearly all video is; anything else, full range, 4:4:4, RGB or 10 bits, becomes that.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from srlab.errors import UserError
from srlab.imaging.video.files import pyav
from srlab.imaging.video.frames import BT709, FULL, STUDIO, reformatted

if TYPE_CHECKING:
    from av import Packet, VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream


class Clip:
    """A video file that is open for reading; a context.

    Args:
        path: The file. Its first video stream counts that is no cover picture.
        rgb: Give frames as ``rgb24``, not as ``yuv420p`` in studio swing.

    Attributes:
        first: Its first frame.
        rotation: By how many degrees players turn it.
        frames: How many frames it says it has, or about; 0 if it does not say.
        remark: What becomes of its pixels that one may not expect, or "".

    Raises:
        UserError: PyAV is missing, or the file is no video that can be decoded, or cut off.
    """

    def __init__(self, path: Path, rgb: bool = False):
        self.path = path
        self._rgb = rgb
        self._reformatter = pyav().video.reformatter.VideoReformatter()
        # Opened twice, so that its first frame and its end can be looked at before the work.
        with self._told(), self._open() as probe:
            frame = next(probe.decode(self._stream_of(probe)), None)
            self._check_end(probe)
        if frame is None:
            raise UserError(f"{path} cannot be decoded: it is cut off or damaged")
        self.first = self._converted(frame)
        self.rotation = frame.rotation
        self.remark = _remark(frame)
        self.container = self._open()
        self.stream = self._stream_of(self.container)
        length, rate = self.container.duration or 0, self.stream.average_rate or 0
        self.frames = self.stream.frames or round(length * rate / 1_000_000)

    def items(self) -> Iterator["VideoFrame | Packet"]:
        """Yield the frames, and the packets of sound and subtitles, in the file's order.

        Raises:
            UserError: The file is damaged, or changes its size midway.
        """
        last = None
        packets: Iterator[Any] = self.container.demux()
        with self._told():
            for packet in packets:
                if packet.stream_index != self.stream.index:
                    if packet.size and is_copied(packet.stream):  # the last ones are empty
                        yield packet
                    continue
                for frame in packet.decode():
                    if (frame.width, frame.height) != (self.first.width, self.first.height):
                        raise UserError(f"{self.path} changes its size midway: cut it there first")
                    last = frame.pts = _time(frame, last)
                    yield self._converted(frame)

    def _check_end(self, container: "InputContainer") -> None:
        """Check, before the work, that a file reaches its length, where formats declare one."""
        if not container.duration or not container.format.name.startswith(("mov", "matroska")):
            return
        declared = ((container.start_time or 0) + container.duration) / 1_000_000
        with suppress(pyav().error.FFmpegError):  # not every file can be searched
            container.seek(round(1_000_000 * max(declared - 1, 0)))
            packets: Iterator[Any] = container.demux()
            ends = [(p.pts + (p.duration or 0)) * p.time_base for p in packets if p.pts is not None]
            if ends and max(ends) < declared - 0.5:
                raise UserError(
                    f"{self.path} is cut off: it ends after {float(max(ends)):.1f} of "
                    f"{declared:.1f} seconds"
                )

    def _open(self) -> "InputContainer":
        with self._told():
            # Resolved, as a name with a colon would be taken for an address.
            return pyav().open(str(self.path.resolve()), metadata_errors="replace")

    def _stream_of(self, container: "InputContainer") -> "VideoStream":
        cover = pyav().stream.Disposition.attached_pic
        for stream in container.streams.video:
            if not stream.disposition & cover:
                if stream.codec_context is None:
                    raise UserError(f"{self.path} has a codec that this PyAV does not decode")
                return stream
        raise UserError(f"{self.path} holds no video")

    def _converted(self, frame: "VideoFrame") -> "VideoFrame":
        if self._rgb:
            return reformatted(self._reformatter, frame, "rgb24", dst_color_range=FULL)
        if frame.format.name == "yuv420p" and frame.color_range != FULL:
            return frame
        matrix = {"dst_colorspace": BT709} if frame.format.is_rgb else {}
        return reformatted(self._reformatter, frame, "yuv420p", dst_color_range=STUDIO, **matrix)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn what PyAV finds wrong with the file into a sentence."""
        try:
            yield
        except pyav().error.InvalidDataError:
            raise UserError(f"{self.path} is no video, or it is cut off or damaged") from None
        except pyav().error.FFmpegError as error:
            reason = error.strerror or "it is damaged"
            raise UserError(f"{self.path} cannot be read as a video: {reason}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.container.close()


def is_copied(stream: Any) -> bool:
    """Say whether a stream is one that is copied: sound or subtitles."""
    return stream.type in ("audio", "subtitle")


def _time(frame: "VideoFrame", last: int | None) -> int:
    """Return a frame's time, after the last one's also where the file does not say."""
    own = frame.pts if frame.pts is not None else frame.dts
    if last is None:
        return own or 0
    return own if own is not None and own > last else last + max(frame.duration, 1)


def _remark(frame: "VideoFrame") -> str:
    bits = max(part.bits for part in frame.format.components)
    remarks = [f"{bits} bits a channel become 8"] if bits > 8 else []
    if frame.interlaced_frame:
        remarks.append("it is interlaced, but upscaled as if it were not: deinterlace it first")
    return "; ".join(remarks)
