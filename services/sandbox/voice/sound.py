"""Raw audio: PCM s16le mono as bytes, or as an array of samples; rates in Hz."""

import io
import wave
from array import array

TELEPHONY = 8000
"""The rate of the telephone."""


def samples(pcm: bytes) -> "array[int]":
    """The samples of s16le PCM; half a sample at the end is left out."""
    heard = array("h")
    heard.frombytes(pcm[: len(pcm) & ~1])
    return heard


def silence(ms: float, rate: int = TELEPHONY) -> bytes:
    """That many milliseconds of nothing."""
    return bytes(2 * round(rate * ms / 1000))


def milliseconds(pcm: bytes, rate: int = TELEPHONY) -> float:
    """How long it plays."""
    return len(pcm) / 2 / rate * 1000


def resampled(pcm: bytes, rate: int, wanted: int) -> bytes:
    """The same sound at another rate, averaged over what one new sample covers when it goes down."""
    if rate == wanted:
        return pcm
    old = samples(pcm)
    step = rate / wanted
    width = max(1, round(step))
    new = array("h")
    for n in range(int(len(old) / step)):
        at = n * step
        first = int(at)
        if width == 1:
            following = old[min(first + 1, len(old) - 1)]
            new.append(int(old[first] + (following - old[first]) * (at - first)))
        else:
            part = old[first : first + width]
            new.append(sum(part) // len(part))
    return new.tobytes()


def trimmed(pcm: bytes, threshold: int) -> bytes:
    """Without the quiet at both ends."""
    heard = samples(pcm)
    loud = [n for n, value in enumerate(heard) if abs(value) >= threshold]
    return heard[loud[0] : loud[-1] + 1].tobytes() if loud else b""


def scaled(pcm: bytes, peak: int) -> bytes:
    """As loud as `peak` at its loudest."""
    heard = samples(pcm)
    loudest = max(max(heard, default=0), -min(heard, default=0))
    if loudest == 0:
        return pcm
    return array("h", [value * peak // loudest for value in heard]).tobytes()


def mu_law(data: bytes) -> bytes:
    """G.711 mu-law as PCM."""
    return _expanded(data, _MU_LAW)


def a_law(data: bytes) -> bytes:
    """G.711 A-law as PCM."""
    return _expanded(data, _A_LAW)


def wav(channels: "list[bytes]", rate: int = TELEPHONY) -> bytes:
    """A WAV file; channels that are shorter end in silence."""
    longest = max(map(len, channels), default=0)
    woven = array("h", bytes(longest * len(channels)))
    for n, channel in enumerate(channels):
        woven[n :: len(channels)] = samples(channel.ljust(longest, b"\0"))
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(len(channels))
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(woven.tobytes())
    return file.getvalue()


def read_wav(file: bytes) -> tuple[bytes, int]:
    """PCM and rate of a mono 16 bit WAV file; sizes of a stream that never knew its end are ignored."""
    with wave.open(io.BytesIO(file)) as reader:
        return reader.readframes(reader.getnframes()), reader.getframerate()


def _expanded(data: bytes, table: "list[int]") -> bytes:
    return array("h", [table[value] for value in data]).tobytes()


def _mu(value: int) -> int:
    value = ~value & 0xFF
    magnitude = (((value & 0x0F) << 3) + 0x84 << ((value & 0x70) >> 4)) - 0x84
    return -magnitude if value & 0x80 else magnitude


def _a(value: int) -> int:
    value ^= 0x55
    exponent, mantissa = (value & 0x70) >> 4, (value & 0x0F) << 4
    magnitude = mantissa + 8 if exponent == 0 else mantissa + 0x108 << exponent - 1
    return magnitude if value & 0x80 else -magnitude


_MU_LAW = [_mu(value) for value in range(256)]
_A_LAW = [_a(value) for value in range(256)]
