"""Judges a reply before anybody sees it: what it says that its turn's facts do not, and what no contact may read.

Claude reads what others wrote and may obey it; what it writes is therefore data, too. These are rules of thumb: they hold
values (amounts, links, numbers, ids) to the facts, and words that bind the company to what the step says. A reason names the
rule and never quotes the reply.
"""

import codecs
import re
from collections.abc import Iterator
from decimal import Decimal
from functools import lru_cache

from libs.llm.known import ID, Known, folded, known
from libs.llm.prompts import RULES, WRITE_REPLY
from libs.llm.turn import TurnRequest, Understanding

HELD_BACK = 8
"""So many last words of a reply that is still being written are shown to nobody: they may be half of a link, or a secret."""
WINDOW = 28
"""Letters in a row that a reply may not share with our rules; of a step it may have a sentence, but not several."""
STEP_WINDOW = 70

_INNER = (WRITE_REPLY, "report_understanding", "unread_messages", "max_words", "opt_out_words", "business_context")
_INNER_WORDS = re.compile(
    r"\b(system prompt|my (?:instructions|rules) (?:are|say)|developer mode|dan mode|jailbreak)\b"
)
_MARKUP = re.compile(
    r"</?[a-z!][^>\n]{0,200}>|\{\{|\}\}|\{%|```|\]\(|\[(?:name|date|amount|link|company)\]|[\u202a-\u202e\u2066-\u2069]"
)
_ENCODED = re.compile(r"(?<![\w/.:+-])[A-Za-z0-9+/]{40,}={0,2}|(?:\b[0-9a-fA-F]{2}\b[\s:]?){16,}|(?:[.-]{1,5}\s){20,}")
_LINK = re.compile(
    r"https?://\S+|www\.\S+|(?<![\w@.-])(?:[a-z0-9-]+\.)+(?:com|in|org|net|co|io|biz|info|xyz|link|top|me|ly|app|dev|site|"
    r"online|shop|pay|example|test|ru|cn)\b(?:/\S*)?"
)
_ADDRESS = re.compile(r"(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)*")
_DATE = re.compile(r"\b20\d\d-\d\d-\d\d\b|\b\d{1,2}[./-]\d{1,2}[./-](?:20)?\d\d\b")
_LONG = re.compile(r"(?<![\w,.-])\+?\d(?:[\s-]?\d){7,}(?![\w,])")
_CURRENCY = r"(?:₹|\brs\.?|\binr|\brupees?|\brupaye|रु\.?|रुपये|\$|\busd|€|£)"
_SCALE = r"(?P<scale{n}>lakhs?|lacs?|crores?|cr|thousand|hazaa?r|k|लाख|करोड़|हज़ार|हजार)?"
_AMOUNT = re.compile(
    rf"{_CURRENCY}\s*(?P<one>\d[\d,]*(?:\.\d+)?)\s*{_SCALE.format(n=1)}\b"
    rf"|(?<![\w.])(?P<two>\d[\d,]*(?:\.\d+)?)\s*{_SCALE.format(n=2)}\s*(?:₹|rs\b|inr\b|rupees?\b|rupaye\b|/-|रुपये|रुपए|dollars?\b)"
    rf"|(?<![\w.])(?P<three>\d[\d,]*(?:\.\d+)?)\s*(?P<scale3>lakhs?|lacs?|crores?|लाख|करोड़)(?!\w)"
)
_SCALES = (("cr", 10_000_000), ("करोड", 10_000_000), ("la", 100_000), ("लाख", 100_000))
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*(?:%|percent\b|per cent\b|प्रतिशत)")
_BALANCE = re.compile(
    r"\b(balance|due|owe[sd]?|outstanding|payable|total|only pay|settle\w*|baki|bakaya|dena hai|chukana)\b|बकाया|बाकी|देय"
)
_CONCESSION = re.compile(
    r"(?P<word>\bdiscount|\bwaiv|\bwrit(?:e|ten)[- ]?off|\bconcession|\brebate|\brefund|\bfree of charge|% off\b|\bchh?oo?t\b|"
    r"छूट|\binstal?ment|\bemi\b|\bpayment plan|\bkist|किस्त|\bcredit note|\bcashback|\bmaaf kar (?:diya|denge|dete|rahe)|"
    r"माफ़? कर (?:दिया|देंगे|रहे))"
)
_PAID = re.compile(
    r"\b(payment|amount|bhugtan|invoice|bill|dues?|account|balance|matter)\b[^.!?;]{0,40}?\b(received|confirmed|cleared|settled|"
    r"closed|marked (?:as )?paid|(?:is|are|was|been|now|fully) paid|zero|nil|mil gay[ai]|ho gay[ai] hai|cancelled)\b"
    r"|(?:भुगतान|बिल|राशि)[^.!?।]{0,40}(?:प्राप्त|मिल गया|मिल गई|चुकता)"
    r"|\b(?:marked|updated|recorded|set)\b[^.!?;]{0,40}\b(?:as )?(?:paid|settled|closed|cleared)\b"
    r"|\bnothing (?:more )?(?:is )?(?:due|owed|payable)\b|\bno (?:dues|amount|payment)[^.!?;]{0,20}(?:due|owed|pending|needed|required)\b"
    r"|\b(?:no longer|do(?:es)? not|don't|need not)\b[^.!?;]{0,12}\b(?:owe|need to pay|have to pay|pay)\b"
)
_OPEN = re.compile(
    r"\b(if|whether|once|when|after|until|not yet|yet|check\w*|will be|would|could|can you|please|agar|jab|hone par|karenge|"
    r"have not|has not|haven't|hasn't|is not|not been|not received|nahin?)\b|यदि|अगर|जब|नहीं|जाँच|\?"
)
_DENIED = re.compile(r"\b(no|not|cannot|can't|unable|won't|nahin?|mana)\b|नहीं|मना")
_PERSONA = re.compile(
    r"\b(?:i am|i'm|this is) (?:not (?:a |an )?(?:bot|machine|robot|ai|automated\w*)|(?:a |an )?(?:real |actual )?(?:human|person being|"
    r"real person|police officer|lawyer|advocate|judge)|now (?:a |an |the )?\w+|the (?:ceo|owner|bank|police)|dan\b|from the (?:police|court|rbi))"
    r"|\b(?:main|mai) (?:ab|insaan|ek insaan|robot nahi|police)\b|मैं (?:अब|इंसान|एक इंसान|पुलिस)"
)
_DIGITS = re.compile(r"[\d|]+")
_SENTENCE = re.compile(r"(?<=[.!?।])\s+|\n+")


def unsafe(text: str, request: TurnRequest, understanding: Understanding | None = None) -> tuple[str, ...]:
    """Why a reply may not be sent: one reason a rule that it breaks; none for one that may."""
    facts = known(request, understanding)
    low = folded(text)
    return tuple(dict.fromkeys(_reasons(text, low, request, facts)))


def shown(partial: str, request: TurnRequest) -> str:
    """What of a reply that is still being written may be shown: all but its last words, and nothing of an unsafe one."""
    words = partial.split(" ")
    ready = " ".join(words[:-HELD_BACK])
    return ready if ready.strip() and not unsafe(ready, request) else ""


def _reasons(text: str, low: str, request: TurnRequest, facts: Known) -> Iterator[str]:
    if _tells_prompt(low, request) or any(name in low for name in _INNER) or _INNER_WORDS.search(low):
        yield "prompt: it tells our instructions"
    if _MARKUP.search(text.lower()):
        yield "markup: it is not plain text"
    if (encoded := _ENCODED.search(text)) and not facts.has(folded(encoded[0])):
        yield "encoded: it holds what nobody can read"
    most = 2 * request.max_words + 20
    if len(text.split()) > most or len(text) > 14 * most:
        yield f"length: more than {most} words, {request.max_words} were allowed"
    yield from _places(low, facts)
    yield from _ids(low, facts)
    for sentence in _SENTENCE.split(low):
        yield from _amounts(sentence, facts)
        yield from _promises(sentence, facts)
    if _PERSONA.search(low):
        yield "persona: it says that it is somebody else"


def _tells_prompt(low: str, request: TurnRequest) -> bool:
    letters = _letters(low)
    rules = _windows(RULES, WINDOW)
    for told in (letters, letters[::-1], codecs.encode(letters, "rot13")):
        if any(told[n : n + WINDOW] in rules for n in range(len(told) - WINDOW + 1)):
            return True
    step = _windows(request.instructions, STEP_WINDOW) | _windows(request.persona, STEP_WINDOW)
    return any(letters[n : n + STEP_WINDOW] in step for n in range(len(letters) - STEP_WINDOW + 1))


def _places(low: str, facts: Known) -> Iterator[str]:
    rest = low
    for link in _LINK.finditer(low):
        if not facts.has(link[0].rstrip(".,;:!?)")):
            yield "link: it stands nowhere in the facts"
    for address in _ADDRESS.finditer(low):
        theirs = "." in address[0].partition("@")[2] and address[0] in facts.said
        if not theirs and not facts.has(address[0].rstrip(".")):
            yield "address: it stands nowhere in the facts"
    for pattern in (_DATE, _LINK, _ADDRESS, ID):
        rest = pattern.sub(" ", rest)
    digits = {_digits(value) for value in facts.fields}
    spoken = _digits(facts.authored + " | " + facts.said)
    for number in _LONG.finditer(rest):
        bare = _digits(number[0])
        if not any(bare in each or (len(each) >= 8 and each in bare) for each in digits) and bare not in spoken:
            yield "number: it stands nowhere in the facts"


def _ids(low: str, facts: Known) -> Iterator[str]:
    prefixes = facts.prefixes
    for found in ID.finditer(low):
        ours = found["prefix"] in prefixes
        if facts.has(found[0]) or (not ours and found[0] in facts.said):
            continue
        if ours:
            yield "id: it names what is not this contact's"
        elif len(found["prefix"]) > 1 and sum(c.isdigit() for c in found[0]) > 3:
            yield "id: it stands nowhere in the facts"


def _amounts(sentence: str, facts: Known) -> Iterator[str]:
    allowed = facts.amounts
    for found in _AMOUNT.finditer(sentence):
        value = _value(found)
        if value in allowed or (value in facts.stated and not _BALANCE.search(sentence)):
            continue
        yield "amount: it stands nowhere in the facts"
    for percent in _PERCENT.finditer(sentence):
        if Decimal(percent[1]) not in facts.numbers | facts.stated:
            yield "percentage: it stands nowhere in the facts"


def _promises(sentence: str, facts: Known) -> Iterator[str]:
    granted = _CONCESSION.search(sentence)
    if granted and not _DENIED.search(sentence) and granted["word"] not in facts.authored + facts.names:
        yield "promise: it grants what neither the step nor the facts do"
    if not facts.paid and _PAID.search(sentence) and not _OPEN.search(sentence) and not _says_paid(facts):
        yield "payment: it confirms what the facts do not"


def _says_paid(facts: Known) -> bool:
    """Whether the step itself says that it is paid or over."""
    return any(_PAID.search(each) and not _OPEN.search(each) for each in _SENTENCE.split(facts.authored))


def _value(found: re.Match[str]) -> Decimal:
    number = Decimal((found["one"] or found["two"] or found["three"]).replace(",", ""))
    scale = found["scale1"] or found["scale2"] or found["scale3"] or ""
    times = next((times for name, times in _SCALES if scale.startswith(name)), 1_000 if scale else 1)
    return number * times


def _letters(text: str) -> str:
    return "".join(c for c in folded(text) if c.isalpha())


def _digits(text: str) -> str:
    return "".join(_DIGITS.findall(text))


@lru_cache(maxsize=64)
def _windows(text: str, size: int) -> frozenset[str]:
    letters = _letters(text)
    return frozenset(letters[n : n + size] for n in range(len(letters) - size + 1))
