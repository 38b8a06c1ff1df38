"""A call as it was heard: contact on the left, agent on the right, and a picture of who spoke when."""

from collections.abc import Sequence
from html import escape
from math import ceil

from libs.config.draw import FAINT, LETTER, LINE, PALE, Drawing, lines_of
from services.sandbox.voice.phone import Moment
from services.sandbox.voice.sound import wav

_SCALE = 40
"""Pixels a second."""
_ROW_S = 20
"""Seconds of a row; a call has as many rows as it takes."""
_INKS = {"contact": "#2f6fdb", "agent": "#c2571a", "line": "#666666"}
_LEFT, _BAR, _SHORTEST = 70, 12, 8
"""Pixels before a row's first second, and of a bar's height; letters in a line of words at least."""


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
    """The timeline: a bar for each utterance with its words below, a tick for everything else."""
    drawing = Drawing()
    drawing.text(8, 20, title, bold=True)
    top = 52.0
    for began in range(0, max(1, ceil(seconds)), _ROW_S):
        top = _row(drawing, moments, began, seconds, top)
    return drawing.svg(title)


def _row(drawing: Drawing, moments: Sequence[Moment], began: int, seconds: float, top: float) -> float:
    """Draw the seconds from `began` on; where the next row begins."""
    for second in range(began, began + _ROW_S + 1, 5):
        x = _LEFT + (second - began) * _SCALE
        drawing.text(x, top, f"{second} s", ink=FAINT)
        drawing.line((x, top + 6), (x, top + 12), ink=PALE)
    y = top + 16
    for who, ink in _INKS.items():
        here = [
            each for each in moments if each.who == who and each.at < began + _ROW_S and _end(each, seconds) > began
        ]
        if not here:
            continue
        drawing.text(8, y + 10, who, ink=ink)
        ends = [each.at for each in here[1:]] + [began + _ROW_S]
        y += _BAR + LINE * max(_moment(drawing, each, began, seconds, y, ends[n]) for n, each in enumerate(here)) + 12
    return y + 20


def _moment(drawing: Drawing, moment: Moment, began: int, seconds: float, y: float, until: float) -> int:
    """Draw what of a moment is in a row, its words where it begins, up to the next one's; how many lines they take."""
    ink = _INKS[moment.who]
    first, last = max(moment.at, began), min(_end(moment, seconds), began + _ROW_S)
    x = _LEFT + (first - began) * _SCALE
    drawing.parts.append(f"<g><title>{moment.at:.2f} s: {escape(moment.what)}</title>")
    drawing.box(x, y, max(2, (last - first) * _SCALE), _BAR, fill=ink, ink=ink, round_=2)
    room = max(_SHORTEST, int((until - first) * _SCALE / LETTER) - 1)
    words = lines_of(moment.what, room) if moment.at >= began else []
    for n, line in enumerate(words, 1):
        drawing.text(x, y + _BAR + LINE * n - 3, line, ink=ink)
    drawing.parts.append("</g>")
    return len(words)


def _end(moment: Moment, seconds: float) -> float:
    """When it was over: a tick at once, an utterance that nothing ended with the call."""
    if moment.end is not None:
        return moment.end
    is_tick = moment.who == "line" or moment.what.startswith(("presses", "hangs"))
    return moment.at + 0.05 if is_tick else seconds
