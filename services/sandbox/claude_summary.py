"""The emulated Claude's record of a phone call: which of the contact's sentences say something, and what they promised."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from services.sandbox.claude_prompt import Prompt
from services.sandbox.understanding import Message, language, read, sentiment

TOOL = "write_call_summary"
MOST_WORDS = 80

_TOLD: Mapping[str, str] = {
    "wrong_person": "was not the right person",
    "promise": "promised to pay{amount}{date}",
    "partial": "offered a part of it{date}",
    "already_paid": "said that it has been paid{date}",
    "dispute": "disputed it",
    "not_received": "had not received it",
    "refuse": "refused to pay",
    "more_time": "asked for more time",
    "hardship": "is short of money",
    "call_later": "asked to be called again{date}",
    "busy": "was busy",
    "ask_document": "asked for the document",
    "ask_link": "asked for a link to pay",
    "ask_person": "asked for a person",
}
"""By notion (claude_lexicon.py)."""
_NEXT: Mapping[str, str] = {
    "promise": "check the payment{date}",
    "already_paid": "check whether it has arrived",
    "dispute": "have the dispute looked into",
    "call_later": "call again{date}",
    "busy": "call again",
    "ask_document": "send the document",
    "ask_link": "send the link",
    "ask_person": "have a person call",
}


def written(prompt: Prompt) -> dict[str, Any]:
    """The tool's input, from all that was said in the call."""
    messages = [read(t.text, prompt.now.replace(tzinfo=None)) for t in prompt.history if t.role == "contact"]
    names = _notions(messages)
    days = [found.day for message in messages for found in message.dates]
    amounts = [found.value for message in messages for found in message.values if found.kind == "amount"]
    promised = "promise" in names
    day = days[-1] if days else None
    amount = amounts[-1] if amounts else None
    filled = {
        "date": f" on {day.strftime('%d %B %Y').lstrip('0')}" if day else "",
        "amount": f" {amount} rupees" if amount else "",
    }
    who = str(prompt.known("contact_name") or "The contact")
    told = [text.format(**filled) for name, text in _TOLD.items() if name in names]
    said = f"{who} {_listed(told)}." if told else f"{who} gave no clear answer."
    following = next((text.format(**filled) for name, text in _NEXT.items() if name in names), None)
    return {
        "summary": " ".join(f"{said} Next: {following}.".split()[:MOST_WORDS]) if following else said,
        "promise": told[0] if promised else None,
        "amount": _number(amount) if promised and amount else None,
        "currency": "INR" if promised and amount else None,
        "date": _iso(day) if promised and day else None,
        "mood": sentiment(messages),
        "next_step": following,
        "language": language(messages, "en"),
    }


def _notions(messages: Sequence[Message]) -> set[str]:
    return {said.notion.name for message in messages for said in message.notions}


def _listed(told: Sequence[str]) -> str:
    return told[0] if len(told) == 1 else f"{', '.join(told[:-1])} and {told[-1]}"


def _number(text: str) -> int | float:
    number = float(text)
    return int(number) if number.is_integer() else number


def _iso(day: date) -> str:
    return day.isoformat()
