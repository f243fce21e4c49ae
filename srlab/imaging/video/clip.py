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
from srlab.imaging.video.frames import BT709, FULL, STUDIO, has_alpha, reformatted, turn_of
from srlab.imaging.video.times import TICK, Times

if TYPE_CHECKING:
    from av import Packet, VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream


_VPX = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
_HDR = {16: "HDR (PQ)", 18: "HDR (HLG)"}  # transfer functions, as FFmpeg numbers them


class Clip:
    """A video file that is open for reading; a context.

    Args:
        path: The file. Its first video stream counts that is no cover picture.
        rgb: Give frames as ``rgb24``, not as ``yuv420p`` in studio swing.
        alpha: Give frames that have transparency with it, as ``rgba`` or ``yuva420p``.

    Attributes:
        first: Its first frame.
        turn: By how many degrees players turn it, and whether they mirror it after that.
        frames: How many frames it says it has, or about; 0 if it does not say.
        times: What gives its frames and packets their times.
        covers: Its cover pictures, as files of pictures, by the index of their streams.
        transparent: Whether it has transparency.
        damaged: How many of the frames so far the decoder has patched up.
        remark: What becomes of its pixels that one may not expect, or "".

    Raises:
        UserError: PyAV is missing, or the file is no video that can be decoded, or cut off.
    """

    def __init__(self, path: Path, rgb: bool = False, alpha: bool = False):
        self.path = path
        self._rgb = rgb
        self._reformatter = pyav().video.reformatter.VideoReformatter()
        # Opened twice, so that its first frame and its end can be looked at before the work.
        with self._told(), self._open() as probe:
            self.covers = _covers(probe)
            frame = next(probe.decode(self._stream_of(probe)), None)
            self._check_end(probe)
        if frame is None:
            raise UserError(f"{path} cannot be decoded: it is cut off or damaged")
        self.container = self._open()
        self.stream = self._stream_of(self.container)
        beside = _transparency_beside(self.stream)
        self.transparent = has_alpha(frame) or beside
        self._alpha = alpha and self.transparent
        decoder = _vpx(self.stream) if self._alpha and beside else None
        self._decoder = decoder or self.stream.codec_context
        self.first = self._converted(frame)
        self.turn = turn_of(frame)
        self.damaged = 0
        self.remark = _remark(frame)
        leaps = self.container.format.flags & pyav().format.Flags.ts_discont.value
        self.times = Times(self.stream.time_base or TICK, bool(leaps))
        length, rate = self.container.duration or 0, self.stream.average_rate or 0
        self.frames = self.stream.frames or round(length * rate / 1_000_000)

    def items(self) -> Iterator["VideoFrame | Packet"]:
        """Yield the frames, and the packets of all else that it holds, in the file's order.

        Raises:
            UserError: The file is damaged, or changes its size midway.
        """
        packets: Iterator[Any] = self.container.demux()
        with self._told():
            for packet in packets:
                self.times.place(packet)
                if packet.stream.index != self.stream.index:
                    if packet.size:  # the last ones are empty
                        yield packet
                    continue
                for frame in self._decoder.decode(packet):
                    if (frame.width, frame.height) != (self.first.width, self.first.height):
                        raise UserError(f"{self.path} changes its size midway: cut it there first")
                    self.times.stamp(frame)
                    self.damaged += frame.is_corrupt
                    yield self._converted(frame)

    def _check_end(self, container: "InputContainer") -> None:
        """Check, before the work, that a file reaches its length, where formats declare one."""
        if not container.duration or not container.format.name.startswith(("mov", "matroska")):
            return
        # Matroska declares when it ends, the others how long they are.
        start = 0 if container.format.name.startswith("matroska") else container.start_time or 0
        declared = (start + container.duration) / 1_000_000
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
        for stream in container.streams.video:
            if not is_cover(stream):
                if stream.codec_context is None:
                    raise UserError(f"{self.path} has a codec that this PyAV does not decode")
                return stream
        raise UserError(f"{self.path} holds no video")

    def _converted(self, frame: "VideoFrame") -> "VideoFrame":
        if self._rgb:
            form = "rgba" if self._alpha else "rgb24"
            return reformatted(self._reformatter, frame, form, dst_color_range=FULL)
        form = "yuva420p" if self._alpha else "yuv420p"
        if frame.format.name == form and frame.color_range != FULL:
            return frame
        matrix = {"dst_colorspace": BT709} if frame.format.is_rgb else {}
        return reformatted(self._reformatter, frame, form, dst_color_range=STUDIO, **matrix)

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


def is_cover(stream: Any) -> bool:
    """Say whether a video stream is a still picture that players show for the file."""
    return bool(stream.disposition & pyav().stream.Disposition.attached_pic)


def _covers(container: "InputContainer") -> dict[int, bytes]:
    """Return the cover pictures of a file that was just opened, by the index of their streams."""
    found = {}
    for stream in filter(is_cover, container.streams.video):
        packet = next((p for p in container.demux(stream) if p.size), None)  # before all others
        if packet is not None:
            found[stream.index] = bytes(packet)
    return found


def _transparency_beside(stream: "VideoStream") -> bool:
    """Say whether a WebM's transparency lies beside the packets of its VP8 or VP9."""
    tags = {key.lower(): text for key, text in stream.metadata.items()}
    return stream.codec_context.name in _VPX and tags.get("alpha_mode") == "1"


def _vpx(stream: "VideoStream") -> Any:
    """Return the decoder that reads transparency beside the packets: FFmpeg's own do not."""
    context = stream.codec_context
    try:
        decoder = pyav().CodecContext.create(_VPX[context.name], "r")
    except pyav().codec.codec.UnknownCodecError:
        raise UserError(
            f"this PyAV has no decoder {_VPX[context.name]}, which the transparency wants"
        ) from None
    decoder.extradata = context.extradata
    return decoder


def _remark(frame: "VideoFrame") -> str:
    """Say what is not kept of a frame's pixels."""
    form = frame.format
    bits = max(part.bits for part in form.components)
    remarks = [f"{bits} bits a channel become 8"] if bits > 8 else []
    halved = form.chroma_width(64) < 64, form.chroma_height(64) < 64
    if form.is_rgb:
        remarks.append("RGB becomes YUV, its colour 4:2:0")
    elif len(form.components) > 2 and halved != (True, True):
        remarks.append(f"its colour becomes 4:2:0, from 4:{'2:2' if halved[0] else '4:4'}")
    if frame.color_range == FULL and not form.is_rgb:
        remarks.append("its full range becomes studio swing, which looks the same")
    if frame.color_trc in _HDR:
        remarks.append(f"it stays {_HDR[frame.color_trc]}, without the data of its display")
    if frame.interlaced_frame:
        remarks.append("it is interlaced, but upscaled as if it were not: deinterlace it first")
    return "; ".join(remarks)
