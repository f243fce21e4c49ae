"""What a video file holds beside its picture: copied to another file, or named as left out."""

from collections import Counter
from typing import TYPE_CHECKING, Any

from srlab.errors import UserError
from srlab.imaging.video.clip import Clip
from srlab.imaging.video.files import pyav

if TYPE_CHECKING:
    from av import Packet
    from av.container import OutputContainer

_COVERS = {"mjpeg": ("cover.jpg", "image/jpeg"), "png": ("cover.png", "image/png")}
# Of a stream's tags, what was true of the bytes that it had.
_OF_THE_BYTES = ("alpha_mode", "bps", "duration", "encoder", "number_of_", "_statistics_")


class Copies:
    """The streams of a new file that are copies, packet by packet.

    Sound, subtitles, fonts and other attachments, and cover pictures.

    Args:
        container: The new file, which has its picture already.
        kind: Its suffix, for messages.
        like: The clip that they come from.

    Attributes:
        left_out: What the new file does not take, as in ``2 subtitle (subrip)``.

    Raises:
        UserError: The new file does not take the sound.
    """

    def __init__(self, container: "OutputContainer", kind: str, like: Clip):
        self._container = container
        self._strict = container.format.name in ("mp4", "mov")  # no two packets at one time
        self._path = like.path
        self._streams: dict[int, Any] = {}
        self._last: dict[int, int] = {}
        lost: Counter[str] = Counter()
        for stream in like.container.streams:
            if stream.index == like.stream.index or self._add(stream, like.covers):
                continue
            if stream.type == "audio" and not _is_empty(stream):
                raise UserError(
                    f"{kind} does not take the sound of {like.path} ({_codec(stream)}): "
                    "name the output .mkv, which takes nearly all"
                )
            what = "cover" if stream.index in like.covers else stream.type
            lost[f"{what} ({_codec(stream)})"] += 1
        if like.container.chapters() and "mov" in like.container.format.name:
            lost["data (unknown)"] -= 1  # the chapters, which it holds as a stream
        lost = +lost
        self.left_out = ", ".join(f"{count} {what}" for what, count in lost.items())

    def mux(self, packet: "Packet") -> None:
        """Write a packet, if its stream is copied, no earlier than the one before."""
        stream = self._streams.get(packet.stream_index)
        if stream is None:
            return
        index = packet.stream_index
        packet.stream = stream
        self._container.start_encoding()  # which settles the unit of its times
        if packet.dts is not None:
            unit = stream.time_base
            time = round(packet.dts * packet.time_base / unit)
            due = self._last.get(index, time - 1) + self._strict
            if time < due:
                packet.duration = round((packet.duration or 0) * packet.time_base / unit)
                packet.time_base, packet.pts, packet.dts = unit, due, due
            self._last[index] = max(time, due)
        try:
            self._container.mux_one(packet)
        except pyav().error.InvalidDataError:
            seconds = float((packet.dts or 0) * packet.time_base)
            raise UserError(
                f"{self._path} is damaged: its {stream.type} at {seconds:.1f} s cannot be copied"
            ) from None

    def _add(self, stream: Any, covers: dict[int, bytes]) -> bool:
        """Add a stream like another; say whether the file takes it."""
        if stream.index in covers:
            return self._add_cover(stream, covers[stream.index])
        matroska = self._container.format.name == "matroska"
        kinds = ("audio", "subtitle", "attachment" if matroska else "")
        if stream.type not in kinds or _is_empty(stream):
            return False
        try:
            copy = self._container.add_stream_from_template(stream)
        except ValueError:
            return False
        if stream.type != "attachment":
            self._streams[stream.index] = copy
            copy.disposition = stream.disposition
        copy.metadata.update(stream.metadata)
        return True

    def _add_cover(self, stream: Any, picture: bytes) -> bool:
        form, codec = self._container.format.name, _codec(stream)
        if form == "matroska" and codec in _COVERS:
            name, kind = _COVERS[codec]
            name = stream.metadata.get("filename") or name
            self._container.add_attachment(name, kind, picture)
            return True
        if form != "mp4":
            return False
        try:
            copy = self._container.add_stream_from_template(stream, opaque=True)
        except ValueError:
            return False
        copy.disposition = stream.disposition
        self._streams[stream.index] = copy
        return True


def copy_tags(source: Any, target: Any) -> None:
    """Give a stream of new pixels the language, title and disposition of another."""
    tags = source.metadata.items()
    kept = {key: text for key, text in tags if not key.lower().startswith(_OF_THE_BYTES)}
    target.metadata.update(kept)
    target.disposition = source.disposition


def _is_empty(stream: Any) -> bool:
    """Say whether a stream is one of sound of which nothing can be heard: recordings have some."""
    context = stream.codec_context
    return stream.type == "audio" and context is not None and not context.sample_rate


def _codec(stream: Any) -> str:
    context = stream.codec_context
    return context.name if context is not None else stream.metadata.get("mimetype", "unknown")
