"""Times that only run forward, which containers and encoders insist on."""

from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from av import Packet, VideoFrame

TICK = Fraction(1, 1000)  # of Matroska and WebM, in seconds: the coarsest that is written
_BACK, _AHEAD = 1, 10  # seconds from what is due at which a clock was set anew


def fine(base: Fraction) -> Fraction:
    """Return a part of a time base, as long as a tick or shorter; the base itself, if it is."""
    return base / max(ceil(base / TICK), 1)


class Times:
    """The times of a file's packets and frames, set right where they run back.

    A frame that is no later than the one before comes a tick after it, and the next one has its
    own time again, so that nothing drifts from the sound. Where the clock of the whole file was set
    anew, as in files that were joined or that are recorded from the air, all that follows is moved
    by one length of time, and goes on where it was due.

    Args:
        base: Unit of the frames' times, in seconds.
        leaps: Whether the format is one whose clock may leap ahead, too.
    """

    def __init__(self, base: Fraction, leaps: bool):
        self.base = fine(base)
        self._leaps = leaps
        self._shift = Fraction(0)
        self._due: dict[int, Fraction] = {}  # by stream: when its next packet is due, in seconds
        self._last: int | None = None

    def place(self, packet: "Packet") -> None:
        """Move a packet of sound, pictures or subtitles by what its clock was set back."""
        unit = packet.time_base
        if packet.dts is not None and packet.stream.type in ("audio", "video"):  # others have gaps
            time, due = packet.dts * unit, self._due.get(packet.stream_index)
            if due is not None:
                off = time + self._shift - due
                if off < -_BACK or (self._leaps and off > _AHEAD):
                    self._shift = due - time
            self._due[packet.stream_index] = time + self._shift + (packet.duration or 0) * unit
        if self._shift:
            ticks = round(self._shift / unit)
            packet.pts = None if packet.pts is None else packet.pts + ticks
            packet.dts = None if packet.dts is None else packet.dts + ticks

    def stamp(self, frame: "VideoFrame") -> None:
        """Give a frame its time in ``base``, after that of the one before."""
        parts = round((frame.time_base or self.base) / self.base)
        own = frame.pts if frame.pts is not None else frame.dts
        frame.duration *= parts
        frame.time_base = self.base
        if own is not None:
            time = own * parts
        else:
            time = 0 if self._last is None else self._last + max(frame.duration, 1)
        if self._last is not None:
            time = max(time, self._last + ceil(TICK / self.base))
        self._last = frame.pts = time
