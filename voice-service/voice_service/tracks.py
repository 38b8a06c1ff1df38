"""Both sides of a call beside each other, as they were heard: what came from the contact, and what was played to them."""

import struct

RATE = 8000
SAMPLE = 2
"""Bytes: s16le."""
FRAME = 2 * SAMPLE
GAP_MS = 300
"""How long the contact's stream may be late before silence stands for what did not come."""
LAG_MS = 1000
"""How old sound is before nothing can change it any more."""


class _Track:
    """One side from `base` (a sample) on."""

    def __init__(self) -> None:
        self.base = 0
        self.sound = bytearray()

    @property
    def end(self) -> int:
        return self.base + len(self.sound) // SAMPLE

    def silence(self, upto: int) -> None:
        self.sound += bytes(max(0, upto - self.end) * SAMPLE)

    def remove(self, at: int, count: int) -> None:
        begin = (at - self.base) * SAMPLE
        del self.sound[begin : begin + count * SAMPLE]

    def cut(self, at: int) -> None:
        del self.sound[max(0, at - self.base) * SAMPLE :]

    def take(self, upto: int) -> bytes:
        self.silence(upto)
        count = (upto - self.base) * SAMPLE
        taken = bytes(self.sound[:count])
        del self.sound[:count]
        self.base = upto
        return taken


class Tracks:
    """Sound by the call's own milliseconds. Whoever takes away what is old keeps the rest small."""

    def __init__(self) -> None:
        self._contact = _Track()
        self._agent = _Track()
        self._gap = (0, 0)
        """Where silence was last put in for the contact, and how many samples of it are left."""

    def heard(self, now_ms: int, pcm: bytes) -> None:
        """A block of the contact's sound has come: its last sample is from now.

        Blocks that were late and come all at once show that nothing was lost: the silence that stood for them goes again.
        """
        track, began = self._contact, _at(now_ms) - len(pcm) // SAMPLE
        if began - track.end > _at(GAP_MS) or not track.end:
            at = track.end
            track.silence(began)
            self._gap = (at, track.end - at)
        track.sound += pcm
        at, silent = self._gap
        if (vain := min(silent, track.end - _at(now_ms))) > 0 and at >= track.base:
            track.remove(at, vain)
            self._gap = (at, silent - vain)

    def spoke(self, now_ms: int, pcm: bytes) -> None:
        """A block of ours was sent: it is played after those before it, from now on at the earliest."""
        self._agent.silence(_at(now_ms))
        self._agent.sound += pcm

    def cleared(self, now_ms: int) -> None:
        """What has not been played yet never will be."""
        self._agent.cut(_at(now_ms))

    def old(self, now_ms: int) -> int:
        """Milliseconds that nothing can change any more and nobody has taken."""
        return max(0, now_ms - LAG_MS - self._contact.base * 1000 // RATE)

    def take(self, now_ms: int) -> tuple[bytes, bytes]:
        """What is old, of each side, equally long."""
        upto = max(self._contact.base, _at(now_ms - LAG_MS))
        return self._contact.take(upto), self._agent.take(upto)

    def rest(self, now_ms: int) -> tuple[bytes, bytes]:
        """All that is left at the end: nobody hears what was sent and not played."""
        self.cleared(now_ms)
        upto = max(self._contact.end, self._agent.end)
        return self._contact.take(upto), self._agent.take(upto)


def mixed(left: bytes, right: bytes) -> bytes:
    """Two sides of the same length as one stereo stream, s16le."""
    both = bytearray(2 * len(left))
    for side, sound in ((0, left), (SAMPLE, right)):
        both[side::FRAME] = sound[0::SAMPLE]
        both[side + 1 :: FRAME] = sound[1::SAMPLE]
    return bytes(both)


def wav_head(size: int) -> bytes:
    """The 44 bytes before `size` bytes of stereo sound, so that it is a WAV file."""
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 2, RATE, RATE * FRAME, FRAME, 8 * SAMPLE)
    return struct.pack("<4sI4s", b"RIFF", 36 + size, b"WAVE") + form + struct.pack("<4sI", b"data", size)


def seconds(size: int) -> int:
    """How long so many bytes of stereo sound are."""
    return round(size / (RATE * FRAME))


def _at(milliseconds: int) -> int:
    return max(0, milliseconds) * RATE // 1000
