"""What somebody wrote in a mail, without what their client quoted or added below: for people and models to read."""

import re
from html import escape

import html2text
from bs4 import BeautifulSoup, Tag
from mailparser_reply.parser import EmailMessage

from libs.channels.email_quotes import CUT, is_disclaimer, mark_quote, quote_head

MAX_TEXT = 60_000
"""Characters of a mail's text that are kept: a fact holds 512 KB at most."""

_QUOTED = re.compile(r"^\s*>")
_MARKS = re.compile(r"^(\s*>)+ ?")
_INVISIBLE = re.compile(r"[\u200b\u2060\ufeff\u00ad]")
_SENT_FROM = re.compile(
    r"^(sent (from|via|using)\b.{0,80}|get outlook for\b.{0,60}|sent with .{0,60}|मेरे .{1,60}से भेजा गया.?"
    r"|.{0,30}\bसे भेजा गया[.।]?)$",
    re.IGNORECASE,
)
_CLOSING = re.compile(
    r"^(thanks?( ?(&|and|n) ?(best |kind |warm )?regards?)?|thank you( and regards)?|many thanks|tha?nx"
    r"|(best |kind |warm |with )?(best |kind |warm )?regards|cheers|sincerely|yours (sincerely|faithfully|truly)"
    r"|best wishes|dhanyavaad?|dhanyawaad?|shukriya|saadar|sadar|धन्यवाद|सादर|शुभकामनाएँ|भवदीय|आपका|शुक्रिया)[\s,.!।-]*$",
    re.IGNORECASE,
)
_POSTSCRIPT = re.compile(r"^\s*p\.? ?s\b|^पुनश्च", re.IGNORECASE)
_ESCAPED = re.compile(r"(?m)\\([-+.*_#>()\[\]!`])")
_OTHER_LANGUAGES = ("de", "da", "es", "fr", "it", "ko", "nl", "pl", "sv", "zh")
_LIBRARY_LIMIT = 8_000
_LIBRARY_LINE = 300
_MAX_HTML = 400_000
_MAX_TAGS = 4_000  # nested in each other they take half a second; a thread of ten mails has about a thousand
_UNENDED = re.compile(r"<[^>]{20000}")
_TAG = re.compile(r"<[^<>]{0,2000}>")
_HIDDEN = re.compile(
    r"display:none|visibility:(hidden|collapse)|(?<![\w-])opacity:0(\.0+)?(;|$)|mso-hide:all"
    r"|font-size:[01](\.\d+)?(px|pt|em|rem|%)?(;|!|$)|(text-indent|left|top|margin-left):-\d{3,}"
)
_NO_ROOM = re.compile(r"(max-height|max-width|height):0(px)?;")
_WHITE = re.compile(r"^\s*(#fff(fff)?|white|rgba?\(\s*255\s*,\s*255\s*,\s*255.*|transparent)\s*$", re.IGNORECASE)
_COLOUR = re.compile(r"(?<![\w-])color\s*:\s*([^;!]+)", re.IGNORECASE)
_BACKGROUND = re.compile(r"(?<![\w-])background(?:-color)?\s*:\s*([^;!]+)", re.IGNORECASE)
_CONTEXT = 4  # quoted lines that stay above an answer
_LONGEST_SIGNATURE = 14  # lines, with empty ones


def said(text: str | None, html: str | None) -> str:
    """What the sender wrote. Of an answer between quoted lines each answer stays under the words that it answers."""
    plain = clean(text or "")
    if html and html.strip():
        page = _page(html)
        at_the_end = mark_quote(page)
        above, _, below = as_text(page).partition(CUT)
        if at_the_end and above.strip():
            return _own_words(clean(above))
        plain = plain or clean(above + below)
    return _own_words(plain)


def clean(text: str) -> str:
    """The text with one kind of line end and of space, without invisible letters, at most MAX_TEXT characters."""
    flat = _INVISIBLE.sub("", text[: MAX_TEXT * 2].replace("\r\n", "\n").replace("\r", "\n").replace("\x00", ""))
    flat = flat.replace("\xa0", " ").replace("\u202f", " ")
    return re.sub(r"\n{3,}", "\n\n", "\n".join(line.rstrip() for line in flat.split("\n"))).strip()[:MAX_TEXT]


def as_text(page: BeautifulSoup) -> str:
    """The text of a page as its reader sees it: links as (address), quotes with `>`, nothing that is hidden."""
    for each in page(["style", "script", "head", "title", "template", "noscript"]):
        each.extract()
    for each in [*page.select("[hidden]"), *page.find_all(style=_hides)]:
        each.extract()
    for each in [*page.find_all(style=_white), *page.find_all("font", color=_WHITE)]:
        if not any(_coloured(above) for above in [each, *each.parents]):
            each.extract()
    reader = html2text.HTML2Text(bodywidth=0)
    reader.ignore_images = True
    reader.ignore_emphasis = True
    reader.use_automatic_links = True
    reader.single_line_break = True
    reader.ul_item_mark = "-"
    try:
        read = reader.handle(str(page))
    except (RecursionError, ValueError, IndexError, AssertionError, AttributeError):
        read = page.get_text("\n")
    return _ESCAPED.sub(r"\1", read)


def _hides(style: str | None) -> bool:
    """Whether a style shows nothing of what it is for."""
    bare = "".join((style or "").split()).lower()
    return _HIDDEN.search(bare) is not None or ("overflow:hidden" in bare and _NO_ROOM.search(bare) is not None)


def _white(style: str | None) -> bool:
    """Whether a style writes in white, or in no colour at all."""
    colour = _COLOUR.search(style or "")
    return colour is not None and _WHITE.match(colour[1]) is not None


def _coloured(each: Tag) -> bool:
    """Whether an element has a background on which white can be read."""
    found = _BACKGROUND.search(str(each.get("style") or ""))
    background = found[1] if found else str(each.get("bgcolor") or "")
    return bool(background.strip()) and _WHITE.match(background) is None


def _page(html: str) -> BeautifulSoup:
    """A page that can be worked on in a moment: of one with far more tags than people write only the text is taken."""
    if html.count("<") > _MAX_TAGS or _UNENDED.search(html):
        html = f"<pre>{escape(_TAG.sub(' ', html[:_MAX_HTML]))}</pre>"
    return BeautifulSoup(html[:_MAX_HTML], "html.parser")


def _own_words(text: str) -> str:
    lines = text.split("\n")
    start, length = _first_quote(lines)
    above = "\n".join(lines[:start]).strip()
    below = lines[start + length :]
    if start < len(lines) and (answers := _answers(below)):
        head = _without_signature(above)
        return "\n\n".join(part for part in (head, answers) if part)
    if not above and start < len(lines) and not any(_QUOTED.match(line) for line in lines):
        return _without_signature("\n".join(below).strip()) or text  # whose words are whose cannot be told
    return _without_signature(_by_library(above))


def _first_quote(lines: list[str]) -> tuple[int, int]:
    """Where the first quote begins, and how many lines its head has."""
    for at, line in enumerate(lines):
        if length := quote_head(lines, at):
            return at, length
        if _QUOTED.match(line):
            return at, 0
    return len(lines), 0


def _answers(below: list[str]) -> str:
    """Answers that stand under quoted lines, each with the words that it answers; empty where there are none."""
    parts: list[str] = []
    question: list[str] = []
    answer: list[str] = []
    at = 0
    while at < len(below):
        length = quote_head(below, at)
        if length or _QUOTED.match(below[at]):
            if answer:
                _put(parts, question, answer)
                question, answer = [], []
            if not length and (words := _MARKS.sub("", below[at]).strip()):
                question.append(words)
            at += max(length, 1)
            continue
        if answer or below[at].strip():
            answer.append(below[at])
        at += 1
    _put(parts, question, [_without_signature("\n".join(answer))])
    return "\n\n".join(parts)


def _put(parts: list[str], question: list[str], answer: list[str]) -> None:
    """Add an answer with the last quoted lines before it. Words below a head with no quoted line are the quote itself."""
    own = "\n".join(answer).strip()
    if own and (question or parts) and not is_disclaimer(own):
        quoted = "".join(f"> {line}\n" for line in question[-_CONTEXT:])
        parts.append(quoted + own)


def _by_library(text: str) -> str:
    """Heads of quotes in languages that we have no rules for. The library's expressions are quadratic, so its fare is bounded."""
    lines = text[:_LIBRARY_LIMIT].split("\n")
    if len(text) > _LIBRARY_LIMIT or any(len(line) > _LIBRARY_LINE for line in lines):
        return text
    # English (and Japanese, which has it too) is ours: there any two lines such as "From: Pune", "To: Delhi" are a quote.
    return EmailMessage(text, languages=list(_OTHER_LANGUAGES), include_english=False).read().latest_reply or text


def _without_signature(text: str) -> str:
    """Without the lines at the end that a client or a habit puts under every mail; never all of it."""
    lines = text.split("\n")
    for at in range(1, len(lines)):
        if lines[at].rstrip() in ("--", "-- ", "—") and any(line.strip() for line in lines[:at]):
            lines = lines[:at]
            break
    while len(lines) > 1 and (not lines[-1].strip() or _SENT_FROM.match(lines[-1].strip())):
        lines.pop()
    for at in range(len(lines) - 1, max(0, len(lines) - 1 - _LONGEST_SIGNATURE), -1):
        rest = lines[at + 1 :]
        if any(len(line) > 70 or _POSTSCRIPT.match(line) for line in rest):
            break
        if _CLOSING.match(lines[at].strip()) and any(line.strip() for line in lines[:at]):
            lines = lines[:at]
            break
    kept = "\n".join(lines).strip()
    return kept or text.strip()
