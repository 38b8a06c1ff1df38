"""Drawing in SVG: texts whose width is known, lines and arrows; everything that is shown is escaped."""

from dataclasses import dataclass, field
from html import escape
from textwrap import wrap

SIZE = 12
"""Pixels of a letter's height; a letter is as wide as in DejaVu Sans Mono, or less."""
LETTER = 0.605 * SIZE
LINE = 16
"""Pixels from one line of text to the next."""
INK, FAINT, PALE = "#1f2430", "#6b7280", "#e5e7eb"
STYLE = (
    f"font: {SIZE}px ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace; background: white; max-width: none"
)


@dataclass(slots=True)
class Drawing:
    """What has been drawn so far; `width` and `height` grow with it."""

    width: float = 0
    height: float = 0
    parts: list[str] = field(default_factory=list)

    def text(self, x: float, y: float, said: str, *, ink: str = INK, bold: bool = False, anchor: str = "start") -> None:
        """One line of text; `y` is its base line."""
        weight = ' font-weight="600"' if bold else ""
        at = "" if anchor == "start" else f' text-anchor="{anchor}"'
        self.parts.append(f'<text x="{x:g}" y="{y:g}" fill="{ink}"{weight}{at}>{escape(said)}</text>')
        self.reach(x + (wide(said) if anchor == "start" else wide(said) / 2), y + 4)

    def line(self, *points: tuple[float, float], ink: str = INK, arrow: bool = False) -> None:
        """A line from point to point, with an arrow's head at its end."""
        way = "M" + " L".join(f"{x:g} {y:g}" for x, y in points)
        self.parts.append(f'<path d="{way}" fill="none" stroke="{ink}" stroke-width="1.3"/>')
        if arrow:
            self.head(points[-2], points[-1], ink)
        for x, y in points:
            self.reach(x, y)

    def head(self, before: tuple[float, float], tip: tuple[float, float], ink: str) -> None:
        """An arrow's head that points along the way from `before` to `tip`, which is level or upright."""
        x, y = tip
        if before[1] == y:
            back = -7 if before[0] < x else 7
            corners = f"{x:g},{y:g} {x + back:g},{y - 4:g} {x + back:g},{y + 4:g}"
        else:
            back = -7 if before[1] < y else 7
            corners = f"{x:g},{y:g} {x - 4:g},{y + back:g} {x + 4:g},{y + back:g}"
        self.parts.append(f'<polygon points="{corners}" fill="{ink}"/>')

    def box(self, x: float, y: float, width: float, height: float, *, fill: str, ink: str, round_: float = 4) -> None:
        """A box with round corners."""
        self.parts.append(
            f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="{round_:g}" fill="{fill}" stroke="{ink}"/>'
        )
        self.reach(x + width, y + height)

    def dot(self, x: float, y: float, *, ink: str) -> None:
        """A small ring."""
        self.parts.append(f'<circle cx="{x:g}" cy="{y:g}" r="4" fill="white" stroke="{ink}" stroke-width="1.6"/>')
        self.reach(x + 4, y + 4)

    def loop(self, x: float, y: float, *, ink: str) -> None:
        """An arrow from a ring back to itself."""
        way = f"M{x - 3:g} {y - 4:g} C{x - 22:g} {y - 23:g} {x + 22:g} {y - 23:g} {x + 5:g} {y - 6:g}"
        self.parts.append(f'<path d="{way}" fill="none" stroke="{ink}" stroke-width="1.3"/>')
        self.parts.append(
            f'<polygon points="{x + 2:g},{y - 3:g} {x + 3:g},{y - 10:g} {x + 9:g},{y - 6:g}" fill="{ink}"/>'
        )

    def reach(self, x: float, y: float) -> None:
        """The drawing is at least so large."""
        self.width, self.height = max(self.width, x), max(self.height, y)

    def svg(self, title: str) -> str:
        """The picture, to stand alone or in a page."""
        width, height = self.width + 12, self.height + 12
        size = f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}"'
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} style="{STYLE}" role="img">'
            f"<title>{escape(title)}</title>{''.join(self.parts)}</svg>"
        )


def wide(text: str) -> float:
    """How many pixels wide a text is."""
    return len(text) * LETTER


def lines_of(text: str, letters: int) -> list[str]:
    """A text in lines of at most so many letters; nothing of it is left out."""
    return [line for part in text.splitlines() for line in wrap(part, letters, break_on_hyphens=False)]
