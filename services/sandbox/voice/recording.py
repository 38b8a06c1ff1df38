"""A call as it was heard: contact on the left, agent on the right, and a picture of who spoke when."""

from collections.abc import Sequence
from html import escape

from services.sandbox.voice.phone import Moment
from services.sandbox.voice.sound import wav

_SCALE = 40
"""Pixels a second."""
_LANES = {"contact": (60, "#2f6fdb"), "agent": (120, "#c2571a"), "line": (180, "#666666")}


class Recording:
    """Both sides of one call, PCM s16le 8 kHz."""

    def __init__(self) -> None:
        self._contact = bytearray()
        self._agent = bytearray()

    def add(self, contact: bytes, agent: bytes) -> None:
        """The same moment of both; the shorter one is followed by silence."""
        longest = max(len(contact), len(agent))
        self._contact += contact.ljust(longest, b"\0")
        self._agent += agent.ljust(longest, b"\0")

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self._contact) / 16_000

    def wav(self) -> bytes:
        """The stereo file."""
        return wav([bytes(self._contact), bytes(self._agent)])


def svg(moments: Sequence[Moment], seconds: float, title: str) -> str:
    """The timeline: a bar for each utterance with its words, a tick for everything else, a line for each second."""
    width = int(seconds * _SCALE) + 120
    drawn = [
        f'<line x1="{_x(second)}" y1="40" x2="{_x(second)}" y2="215" stroke="#ddd"/>'
        f'<text x="{_x(second)}" y="230" fill="#999">{second} s</text>'
        for second in range(0, int(seconds) + 2, 1 if seconds < 60 else 5)
    ]
    drawn += [f'<text x="8" y="{y + 16}" fill="{colour}">{who}</text>' for who, (y, colour) in _LANES.items()]
    drawn += [_moment(each, seconds) for each in moments]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="245" font-family="sans-serif" font-size="11">'
        f'<rect width="100%" height="100%" fill="white"/><text x="8" y="22" font-size="14">{escape(title)}</text>'
        f"{''.join(drawn)}</svg>"
    )


def _moment(moment: Moment, seconds: float) -> str:
    y, colour = _LANES[moment.who]
    words = f"<title>{moment.at:.2f} s: {escape(moment.what)}</title>"
    if (moment.end is None and moment.what.startswith(("presses", "hangs"))) or moment.who == "line":
        return (
            f'<g>{words}<line x1="{_x(moment.at)}" y1="{y}" x2="{_x(moment.at)}" y2="{y + 24}" stroke="{colour}"'
            f' stroke-width="2"/><text x="{_x(moment.at) + 3}" y="{y + 34}" fill="{colour}">{escape(moment.what)}</text></g>'
        )
    end = moment.end if moment.end is not None else seconds
    width = max(2, _x(end) - _x(moment.at))
    return (
        f'<g>{words}<svg x="{_x(moment.at)}" y="{y}" width="{width}" height="24">'
        f'<rect width="100%" height="24" rx="3" fill="{colour}"/>'
        f'<text x="4" y="16" fill="white">{escape(moment.what)}</text></svg></g>'
    )


def _x(second: float) -> int:
    return 60 + round(second * _SCALE)
