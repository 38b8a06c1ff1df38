"""The emulated Claude's short replies, in English, Hinglish or Hindi, made of what was said, the facts and the step."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from services.sandbox.claude_phrases import ANSWERS, ENGLISH_MONTHS, GREETINGS, HINDI_MONTHS
from services.sandbox.claude_prompt import Prompt
from services.sandbox.claude_slots import Answered, Offered, breaks_off, question
from services.sandbox.claude_text import folded, stems
from services.sandbox.understanding import Message, opt_out

_ENDS_TALK = {"wrong_person", "distress", "complain", "refuse", "cancel", "ask_person", "dispute", "call_later", "busy"}
_VERB = (
    "ask|request|find out|get|tell|inform|let|remind|confirm|thank|mention|say|apologi[sz]e|agree|give|answer|write|be"
)
_ORDER = re.compile(
    rf"(?:^|[,;]\s*(?:and\s+)?|\band\s+)(?:please\s+|politely\s+|then\s+|also\s+|kindly\s+)*(?P<verb>{_VERB})\b",
    re.IGNORECASE,
)
_ASIDE = re.compile(
    r",?\s*(?:and\s+)?(?:answer\s+)?in the language (?:that )?(?:they|the contact|you) (?:write|writes|use|uses)",
    re.IGNORECASE,
)
_STATE = re.compile(r"\b(status|carrier|(?:now )?expected|eta)\s*:\s*([^,.;\n]+)", re.IGNORECASE)
_NOTHING = re.compile(r"^(?:nothing|no\b|only\b|so\b|one (?:clear |short |simple )?question)", re.IGNORECASE)
_OBJECT = re.compile(
    r"^(?:(?:the\s+)?(?:contact|customer|them|him|her|buyer|client)\s+(?:know\s+)?|that\s+|for\s+|to\s+|about\s+|(?:a|an|the)\s+)+",
    re.IGNORECASE,
)
_TO_YOU = (
    (re.compile(r"\b(?:they|them|the (?:contact|customer|buyer|client))\b", re.IGNORECASE), "you"),
    (re.compile(r"\btheir\b", re.IGNORECASE), "your"),
)
_OPTIONAL = re.compile(r"\[([^\[\]]*)\]")


@dataclass(frozen=True, slots=True)
class Reply:
    """A message to the contact and its BCP 47 tag."""

    text: str
    language: str


def compose(
    prompt: Prompt,
    messages: Sequence[Message],
    language: str,
    slots: Sequence[Offered] = (),
    filled: Sequence[Answered] = (),
) -> Reply:
    """The next message: it answers every one of `messages`, then asks or tells what the step wants and is still open."""
    tag = language if language in ("hi", "hi-Latn") else "en"
    column = ("en", "hi-Latn", "hi").index(tag)
    values = _values(prompt, messages, tag)
    answered = _answers(messages, prompt)
    if filled and answered in (["unclear"], ["no"], ["yes"], ["promise"]):
        answered = ["values"] if values["date"] or values["amount"] else ["yes"]
    sentences = [_fill(ANSWERS[key][column], values | own) for key, own in _said(answered, messages, tag)]
    stop = opt_out(messages) is not None
    asks = any(slot.value is None for slot in slots)
    if slots and asks and not stop:
        asked = None if breaks_off(messages) else question(slots, filled)
        sentences += [asked] if asked else [ANSWERS["no" if breaks_off(messages) else "thank"][column]]
    elif not stop and not _ENDS_TALK.intersection(answered):
        sentences += _step(prompt, messages, answered, values, column)
    if not sentences:
        sentences = [_fill(ANSWERS["unclear"][column], values)]
    asks_who = "whether you speak with" in prompt.instructions  # whose name is not theirs before they say so
    name = "" if asks_who else _first_name(prompt, messages, tag)
    opening = not messages and not any(turn.role == "agent" for turn in prompt.history)
    if opening or name:
        greeting = GREETINGS[column].format(name=f" {name}" if name else "")
        if not messages or opening:
            sentences[0] = f"{greeting} {_lower(sentences[0])}"
        else:
            sentences[0] = f"{name}, {_lower(sentences[0])}"
    text = _within([_capital(s) for s in dict.fromkeys(s for s in sentences if s)], prompt.max_words)
    return Reply(text, tag)


def _answers(messages: Sequence[Message], prompt: Prompt) -> list[str]:
    """One key of ANSWERS a message and notion, in the order of the messages."""
    keys: list[str] = []
    for message in messages:
        if opt_out([message]) is not None:
            keys.append("opt_out")
            continue
        notions = [said.notion.name for said in message.notions]
        strong = [said.notion.name for said in message.notions if not said.notion.weak]
        if not strong and message.dates and "pay" in stems(prompt.instructions):
            strong = ["promise"]
        told = message.dates or any(value.kind in ("amount", "reference") for value in message.values)
        known = [key for key in strong if key in ANSWERS]
        keys += known or (["values"] if told else [key for key in notions if key in ANSWERS][:1] or ["unclear"])
    if "already_paid" in keys:
        keys = [key for key in keys if key != "proof"]
    known_of = {"ask_amount": "amount", "ask_which": "entity_id"}  # without it there is nothing to answer
    return [key for key in dict.fromkeys(keys) if key not in known_of or prompt.known(known_of[key]) is not None]


def _said(keys: Sequence[str], messages: Sequence[Message], tag: str) -> list[tuple[str, dict[str, str]]]:
    """Each key with the values of the first message that says it and has some, so that no date goes to another matter."""
    said = []
    for key in keys:
        source = [m for m in messages if any(s.notion.name == key for s in m.notions)] or list(messages)
        own = _stated(source, tag)
        if len(messages) > 1 and any(name in own for name in ("date", "amount", "reference")):
            own = {"date": "", "amount": "", "reference": ""} | own
        said.append((key, own))
    return said


def _values(prompt: Prompt, messages: Sequence[Message], tag: str) -> dict[str, str]:
    info = prompt.facts.get("extracted_info")
    known = {str(k): v for k, v in info.items()} if isinstance(info, dict) else {}
    dated = next((_day(v) for k, v in known.items() if k.endswith(("date", "_at")) and _day(v)), None)
    business = prompt.facts.get("business_context")
    due = _day(prompt.known("due_date"))
    entity_type, entity = prompt.known("entity_type"), prompt.known("entity_id")
    for kind in ("invoice", "order", "shipment", "contract"):
        if entity is None and (number := prompt.known(f"{kind}_number") or prompt.known(f"{kind}_id")) is not None:
            entity_type, entity = kind, number
    values = {
        "person": str(prompt.known("contact_name") or ""),
        "date": _date_in(dated, tag) if dated else "",
        "reference": str(known.get("reference", "")),
        "amount": _amount(known.get("amount")),
        "known_amount": _amount(business.get("amount") if isinstance(business, dict) else prompt.known("amount")),
        "due": _date_in(due, tag) if due else "",
        "entity": f"{str(entity_type or '').replace('_', ' ')} {entity}".strip() if entity is not None else "",
    }
    return values | _stated(messages, tag)


def _stated(messages: Sequence[Message], tag: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for message in messages:
        for said in message.dates[-1:]:
            at = f", {said.at:%H:%M}" if said.at else ""
            found["date"] = _date_in(said.day, tag) + at
        for value in message.values:
            if value.kind in ("amount", "reference"):
                found[value.kind] = _amount(value.value) if value.kind == "amount" else value.value
    return found


def _step(
    prompt: Prompt, messages: Sequence[Message], answered: Sequence[str], values: dict[str, str], column: int
) -> list[str]:
    """What the step's imperative sentences want said, as far as it is not said or known yet."""
    wanted: list[tuple[str, str]] = []
    opening = not any(turn.role == "agent" for turn in prompt.history)
    if known := _known_state(prompt.instructions):
        wanted.append(("tell", known))
    for verb, rest in _orders(prompt):
        topic = _addressed(_OBJECT.sub("", rest).strip())
        key = _wanted(verb, topic, messages, answered, values)
        # Whoever answers at a step has heard already what the step tells.
        if key is not None and not (key == "tell" and prompt.marked and not opening):
            wanted.append((key, topic))
    if not messages and values["entity"] and (opening or not {key for key, _ in wanted} & {"thank", "promise"}):
        wanted.insert(0, ("subject", ""))
    return [_fill(ANSWERS[key][column], values | {"topic": topic}) for key, topic in wanted]


def _orders(prompt: Prompt) -> Iterator[tuple[str, str]]:
    """The step's orders, each a verb and what follows it: "Thank them and ask whether …" are two.

    A step that speaks of the follow-up's reason leaves the order to that.
    """
    text = re.sub(r"\n(?!\s*[-*•])", " ", prompt.instructions)
    if "the follow-up's reason" in text and isinstance(reason := prompt.facts.get("reason"), str):
        text += f"\n{reason}"
    name = prompt.known("contact_name")
    for each in sorted({str(name), str(name).split(" ", 1)[0]} if name else set(), key=len, reverse=True):
        text = re.sub(
            rf"\b(ask|tell|inform|thank|remind|let)\s+{re.escape(each)}\b", r"\1 them", text, flags=re.IGNORECASE
        )
    for sentence in re.split(r"(?<=[.!?])\s+|\n+", _ASIDE.sub("", text)):
        orders = list(_ORDER.finditer(sentence.strip().lstrip("-*• ").rstrip(".!")))
        if orders and orders[0].start() == 0:
            for order, following in zip(orders, [*orders[1:], None], strict=True):
                end = following.start() if following else len(order.string)
                yield order["verb"].lower(), order.string[order.end() : end].strip(" ,;")


def _known_state(instructions: str) -> str:
    """What the step tells of a state ("Status: in_transit, expected: 2026-02-24"), as words; dates as people say them."""
    said = []
    for label, value in _STATE.findall(instructions):
        day = _day(value.strip())
        shown = _date_in(day, "en") if day else value.strip().replace("_", " ")
        if "unknown" not in shown and shown.lower() != "none":
            said.append(f"{label.lower()}: {shown}")
    return ", ".join(said)


def _addressed(topic: str) -> str:
    """The step speaks about the contact, the message speaks to them."""
    for pattern, word in _TO_YOU:
        topic = pattern.sub(word, topic)
    return topic


def _wanted(
    verb: str, topic: str, messages: Sequence[Message], answered: Sequence[str], values: dict[str, str]
) -> str | None:
    about = set(stems(topic))
    if _NOTHING.match(topic):
        return None
    if verb == "thank":
        return None if {"thanks", "confirm", "already_paid"} & set(answered) else "thank"
    if verb.startswith("apologi"):
        return None if {"damaged", "not_received"} & set(answered) else "apologise"
    if verb in ("tell", "inform", "let", "say"):
        return "tell" if topic else None
    if verb in ("confirm", "mention", "remind"):
        said = {"promise", "partial", "already_paid", "values"} & set(answered)
        return "promise" if values["date"] and not said and {"date", "promise", "pay"} & about else None
    if verb not in ("ask", "request", "find out", "get"):
        return None
    if topic.startswith("whether you speak with"):
        return "ask_who"
    if {"date", "when", "day"} & about:
        if values["date"] or "already_paid" in answered:
            return None
        return "ask_payment_date" if "pay" in about else "ask_date"
    if {"reference", "utr", "awb", "proof"} & about:
        return None if values["reference"] else "ask_reference"
    if {"amount", "much"} & about:
        return None if values["amount"] else "ask_amount_of"
    if {"reason", "why"} & about:
        return "ask_reason"
    if answered and not set(answered) <= {"unclear", "greeting", "thanks", "who_are_you", "values"}:
        return None
    if {"confirm", "confirmation"} & about:
        return "ask_confirm"
    return "ask_that" if topic else None


def _fill(template: str, values: dict[str, str]) -> str:
    def optional(m: re.Match[str]) -> str:
        names = re.findall(r"\{(\w+)\}", m[1])
        return m[1].format_map(values) if all(values.get(name) for name in names) else ""

    return re.sub(r"\s+", " ", _OPTIONAL.sub(optional, template).format_map(values)).strip()


def _first_name(prompt: Prompt, messages: Sequence[Message], tag: str) -> str:
    contact = prompt.facts.get("contact")
    name = prompt.known("contact_name") or (contact.get("name") if isinstance(contact, dict) else None)
    if (
        not isinstance(name, str)
        or not name.strip()
        or any(s.notion.name == "wrong_person" for m in messages for s in m.notions)
    ):
        return ""
    first = name.split()[0]
    return {"hi-Latn": f"{first} ji", "hi": f"{first} जी"}.get(tag, first)


def _day(value: Any) -> date | None:
    try:
        return date.fromisoformat(str(value)[:10])
    except ValueError:
        return None


def _date_in(day: date, tag: str) -> str:
    months = (HINDI_MONTHS if tag == "hi" else ENGLISH_MONTHS).split()
    return f"{day.day} {months[day.month - 1]} {day.year}"


def _amount(value: Any) -> str:
    try:
        number = Decimal(str(value).replace(",", ""))
    except InvalidOperation:
        return ""
    whole, _, paise = format(number, "f").partition(".")
    head, tail = whole[:-3], whole[-3:]
    groups = [head[max(0, end - 2) : end] for end in range(len(head), 0, -2)][::-1]
    return "₹" + ",".join([*groups, tail]) + (f".{paise[:2]:0<2}" if paise.strip("0") else "")


def _within(sentences: list[str], max_words: int) -> str:
    kept: list[str] = []
    for sentence in sentences:
        if kept and len(" ".join([*kept, sentence]).split()) > max_words:
            break
        kept.append(sentence)
    return " ".join(kept)


def _lower(sentence: str) -> str:
    return sentence if sentence.startswith("I ") else sentence[:1].lower() + sentence[1:]


def _capital(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:] if folded(sentence[:1]).isascii() else sentence
