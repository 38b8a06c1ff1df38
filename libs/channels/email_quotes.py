"""How mail clients mark what they quote: the lines above a quote, in English and Hindi, and the HTML around it."""

import re
from collections.abc import Sequence

from bs4 import BeautifulSoup

from libs.channels.email_html import MARKER_LINE

_LEAD = re.compile(r"^[\s>*]*")
_WHO = ("from:", "से:", "प्रेषक:")
_WHEN = ("sent:", "date:", "भेजा गया:", "भेजने का समय:", "प्रेषित:", "दिनांक:", "तारीख:", "तारीख़:")
_WHAT = ("subject:", "विषय:")
_OTHERS = ("to:", "cc:", "bcc:", "reply-to:", "importance:", "को:", "प्रति:", "प्राप्तकर्ता:", "प्रतिलिपि:", "सीसी:")
_LABELS = (*_WHO, *_WHEN, *_WHAT, *_OTHERS)
_WROTE = ("wrote:", "ने लिखा:", "ने लिखा :")
_LONGEST_HEAD = 500
_RULED = re.compile(
    r"(-{2,} ?(original message|original appointment|forwarded message|मूल संदेश|अग्रेषित संदेश) ?-{2,}|_{20,}"
    r"|begin forwarded message:)"
)
_DISCLAIMER = re.compile(r"confidential|disclaimer|intended (solely |only )?for|privileged|virus", re.IGNORECASE)

_WHOLE = (
    "div.gmail_quote",
    "div.gmail_extra",
    "div.yahoo_quoted",
    "div.moz-cite-prefix",
    "blockquote[type=cite]",
    "div#divRplyFwdMsg",
    "div#mail-editor-reference-message-container",
    "div.protonmail_quote",
    "div.zmail_extra",
)
"""Elements that hold a quote or its head: Gmail, Yahoo, Thunderbird and Apple, new Outlook, Proton, Zoho."""
_FROM_HERE_ON = ("div#appendonsend", "div#divRplyFwdMsg", "div#ms-outlook-mobile-body-separator-line")
"""Elements of Outlook (web and phones) after which everything is quoted; its desktop draws a rule instead."""
_OUTLOOK_RULE = re.compile(r"border-top:\s*solid\s*#(E1E1E1|B5C4DF)", re.IGNORECASE)
_SIGNATURES = (
    "div.gmail_signature",
    "[data-smartmail=gmail_signature]",
    "div#Signature",
    "div.moz-signature",
    "pre.moz-signature",
    "div#ms-outlook-mobile-signature",
    "#ymail_android_signature",
    "#AppleMailSignature",
)
_ENOUGH = 50  # of one kind of element; more are nested quotes, of which the outermost counts
CUT = "\ue000"
"""A letter of the private use area: nobody writes it."""
_HEADS = ("div.gmail_attr", "div.moz-cite-prefix")


def quote_head(lines: Sequence[str], at: int) -> int:
    """How many lines from `at` on are the head of a quote: `On … wrote:`, `From: … Sent: …`, a rule, our marker; 0: none."""
    line = _bare(lines[at])
    if not line:
        return 0
    if MARKER_LINE.search(line) or _RULED.fullmatch(line):
        return 1
    joined = ""
    for number, each in enumerate(lines[at : at + 3], 1):
        joined = f"{joined} {_bare(each)}".strip()
        if joined.endswith(_WROTE):
            return number if _somebody_wrote(joined) else 0
        if not _bare(each):
            break
    return _labels(lines, at)


def mark_quote(page: BeautifulSoup) -> bool:
    """Take the signatures out of a page and put CUT where its quote begins; False where an answer stands below a quote."""
    for each in page.select(", ".join(_SIGNATURES), limit=_ENOUGH):
        if each.find_parent("blockquote") is None:
            each.extract()
    open_ended = [
        *page.select(", ".join(_FROM_HERE_ON), limit=_ENOUGH),
        *page.find_all("div", style=_OUTLOOK_RULE, limit=_ENOUGH),
    ]
    starts = {id(each) for each in (*open_ended, *page.select(", ".join(_WHOLE), limit=_ENOUGH))}
    first = next((each for each in page.descendants if id(each) in starts), None)
    if first is None:
        return True
    if not any(first is each for each in open_ended) and _said_below(page):
        return False
    first.insert_before(CUT)
    return True


def is_disclaimer(text: str) -> bool:
    """Whether text below a quote is what a company's server adds to every mail."""
    return len(text) > 150 and _DISCLAIMER.search(text) is not None


def _said_below(page: BeautifulSoup) -> bool:
    """Whether words of the sender's own stand behind the first quote."""
    copy = BeautifulSoup(str(page), "html.parser")
    for each in copy.select(", ".join(("blockquote", *_HEADS, *_WHOLE)), limit=_ENOUGH):
        if each.name == "blockquote" or each.find("blockquote") is None:
            each.replace_with(CUT)
    below = " ".join(copy.get_text(" ").partition(CUT)[2].replace(CUT, " ").split())
    return bool(below) and not is_disclaimer(below)


def _somebody_wrote(line: str) -> bool:
    """Whether a line that ends in `wrote:` is the head of a quote, not a sentence."""
    if len(line) > _LONGEST_HEAD:
        return False
    dated = any(letter.isdigit() for letter in line)
    return "@" in line or (dated and (line.startswith("on ") if line.endswith("wrote:") else "को" in line))


def _labels(lines: Sequence[str], at: int) -> int:
    """Outlook's head of a quote says who, when and what, one a line, long ones on several."""
    labels: list[str] = []
    number = continued = 0
    for line in lines[at : at + 14]:
        bare = _bare(line)
        label = next((each for each in _LABELS if bare.replace(" :", ":").startswith(each)), None)
        if label is not None:
            labels.append(label)
            continued = 0
        elif not bare or not labels or continued == 2:
            break
        else:
            continued += 1
        number += 1
    said = set(labels)
    return number if said & set(_WHO) and said & set(_WHEN) and said & set(_WHAT) and labels[0] in _WHO else 0


def _bare(line: str) -> str:
    """A line without quote marks and emphasis, in small letters."""
    return (
        _LEAD.sub("", line[: _LONGEST_HEAD * 2])
        .replace("\u202f", " ")
        .replace("\xa0", " ")
        .replace("*", "")
        .strip()
        .lower()
    )
