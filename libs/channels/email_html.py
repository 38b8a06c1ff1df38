"""The HTML of a mail, made of its text: paragraphs, line breaks and links, with everything else escaped."""

import html
import re

MARKER = "##- Reply above this line -##"
"""Stands first in our mails, so that a reply can be told from the quote whatever the client and its language."""
MARKER_LINE = re.compile(r"##-.{0,120}?-##")

_LINK = re.compile(r"https?://[^\s<>\"']+[^\s<>\"'.,;:!?)\]}।]")
_SMALL = "color:#8a8a8a;font-size:12px"


def page(text: str, *, language: str, unsubscribe: str | None = None) -> str:
    """A whole HTML document that says `text`."""
    body = "\n".join(f"<p>{_lines(each)}</p>" for each in re.split(r"\n[ \t]*\n+", text.strip("\n")))
    footer = f'\n<p style="{_SMALL}"><a href="{html.escape(unsubscribe)}">Unsubscribe</a></p>' if unsubscribe else ""
    return (
        f'<!DOCTYPE html>\n<html lang="{html.escape(language)}"><head><meta charset="utf-8"></head>\n'
        '<body style="font-family:sans-serif;font-size:15px;line-height:1.5">\n'
        f'<div style="{_SMALL}">{MARKER}</div>\n'
        f"{body}{footer}\n</body></html>\n"
    )


def _lines(paragraph: str) -> str:
    return "<br>\n".join(_linked(line) for line in paragraph.split("\n"))


def _linked(line: str) -> str:
    parts, end = [], 0
    for link in _LINK.finditer(line):
        address = html.escape(link.group())
        parts += [html.escape(line[end : link.start()]), f'<a href="{address}">{address}</a>']
        end = link.end()
    return "".join([*parts, html.escape(line[end:])])
