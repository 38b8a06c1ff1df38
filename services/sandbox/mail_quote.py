"""How mail clients write an answer: the own words, and the mail that they answer quoted in each client's own way."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Literal

Style = Literal[
    "gmail", "gmail_hindi", "outlook", "outlook_hindi", "yahoo", "iphone", "thunderbird", "interleaved", "none"
]


@dataclass(frozen=True, slots=True)
class Quoted:
    """The mail that is answered: who wrote it and when, and its words."""

    name: str
    address: str
    at: datetime
    subject: str
    text: str
    html: str


def answer(style: Style, words: str, quoted: Quoted | None) -> tuple[str, str | None]:
    """The text of an answer, and its HTML where the client writes one."""
    if quoted is None or style == "none":
        return words, None
    return _STYLES[style](words, quoted)


def style_for(words: str) -> Style:
    """What somebody uses who writes like this, unless told otherwise."""
    return "gmail_hindi" if any("\u0900" <= letter <= "\u097f" for letter in words) else "gmail"


def _gmail(words: str, quoted: Quoted) -> tuple[str, str]:
    return _as_gmail(words, quoted, f"On {quoted.at:%a, %d %b %Y at %H:%M}, ", " wrote:")


def _gmail_hindi(words: str, quoted: Quoted) -> tuple[str, str]:
    return _as_gmail(words, quoted, f"सोम, {quoted.at:%d} फ़र॰ {quoted.at:%Y} को {quoted.at:%H:%M} बजे को ", " ने लिखा:")


def _as_gmail(words: str, quoted: Quoted, before: str, after: str) -> tuple[str, str]:
    text = f"{words}\n\n{before}{quoted.name}\n<{quoted.address}>{after}\n\n{_marked(quoted.text)}\n"
    who = f'{escape(quoted.name)} &lt;<a href="mailto:{escape(quoted.address)}">{escape(quoted.address)}</a>&gt;'
    html = (
        f'<div dir="ltr">{_html(words)}</div><br><div class="gmail_quote"><div dir="ltr" class="gmail_attr">'
        f'{before}{who}{after}<br></div><blockquote class="gmail_quote">{quoted.html}</blockquote></div>'
    )
    return text, html


def _outlook(words: str, quoted: Quoted) -> tuple[str, str]:
    head = [
        ("From", f"{quoted.name} <{quoted.address}>"),
        ("Sent", f"{quoted.at:%A, %B %d, %Y %I:%M %p}"),
        ("To", "me"),
        ("Subject", quoted.subject),
    ]
    return _as_outlook(words, quoted, head)


def _outlook_hindi(words: str, quoted: Quoted) -> tuple[str, str]:
    head = [
        ("प्रेषक", f"{quoted.name} <{quoted.address}>"),
        ("भेजा गया", f"{quoted.at:%d/%m/%Y %H:%M}"),
        ("प्रति", "मैं"),
        ("विषय", quoted.subject),
    ]
    return _as_outlook(words, quoted, head)


def _as_outlook(words: str, quoted: Quoted, head: list[tuple[str, str]]) -> tuple[str, str]:
    text = f"{words}\n\n" + "\n".join(f"{label}: {value}" for label, value in head) + f"\n\n{quoted.text}\n"
    labels = "<br>".join(f"<b>{label}:</b> {escape(value)}" for label, value in head)
    html = (
        f'<html><body><div class="elementToProof">{_html(words)}</div><div id="appendonsend"></div><hr>'
        f'<div id="divRplyFwdMsg" dir="ltr">{labels}</div><div>{quoted.html}</div></body></html>'
    )
    return text, html


def _yahoo(words: str, quoted: Quoted) -> tuple[str, str]:
    head = f"On {quoted.at:%A, %d %B, %Y at %I:%M:%S %p} IST, {quoted.name} <{quoted.address}> wrote:"
    html = f'<div>{_html(words)}</div><div class="yahoo_quoted"><div>{escape(head)}</div>{quoted.html}</div>'
    return f"{words}\n    {head}  \n \n {quoted.text}\n", html


def _iphone(words: str, quoted: Quoted) -> tuple[str, None]:
    head = f"> On {quoted.at:%d %b %Y}, at {quoted.at:%I:%M %p}, {quoted.name} <{quoted.address}> wrote:"
    return f"{words}\n\nSent from my iPhone\n\n{head}\n> \n{_marked(quoted.text)}\n", None


def _thunderbird(words: str, quoted: Quoted) -> tuple[str, None]:
    return f"{words}\n\nOn {quoted.at:%d/%m/%y %H:%M}, {quoted.name} wrote:\n{_marked(quoted.text)}\n", None


def _interleaved(words: str, quoted: Quoted) -> tuple[str, None]:
    return f"On {quoted.at:%d/%m/%y %H:%M}, {quoted.name} wrote:\n{_marked(quoted.text)}\n\n{words}\n", None


def _marked(text: str) -> str:
    return "\n".join(f"> {line}" if line else ">" for line in text.rstrip("\n").split("\n"))


def _html(text: str) -> str:
    return escape(text).replace("\n", "<br>")


_STYLES: Mapping[str, Callable[[str, Quoted], tuple[str, str | None]]] = {
    "gmail": _gmail,
    "gmail_hindi": _gmail_hindi,
    "outlook": _outlook,
    "outlook_hindi": _outlook_hindi,
    "yahoo": _yahoo,
    "iphone": _iphone,
    "thunderbird": _thunderbird,
    "interleaved": _interleaved,
}
