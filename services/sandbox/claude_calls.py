"""The emulated Claude on the phone: which of a call's tools it calls, by rules over what was said, and how it goes on.

A request whose tools have `end_call` is a phone call. Words come before `report_intent` and `end_call`, in one answer; of what
has a result that the contact wants to hear (`send_on_channel`, `schedule_callback`, `transfer`) it speaks afterwards.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from services.sandbox.claude_prompt import Called, Prompt
from services.sandbox.claude_text import END, NUMBER, START, any_of, folded, number_of
from services.sandbox.understanding import Message, Offer, intents_of, opt_out

END_CALL = "end_call"
REPORT = "report_intent"
SEND = "send_on_channel"
CALL_BACK = "schedule_callback"
TRANSFER = "transfer"
CONFIRMS = "confirms_person"
OWN = frozenset({REPORT, SEND, CALL_BACK, TRANSFER, END_CALL})
"""What a call has besides the flow's tools."""
SPEAKS_FIRST = frozenset({REPORT, END_CALL})

_CHANNELS = {
    "whatsapp": "whatsapp|whats app|watsapp|wa|व्हाट्सएप|व्हाट्सऐप|वॉट्सएप",
    "email": "email|e-mail|mail|ईमेल|मेल",
    "sms": "sms|text message|एसएमएस|मैसेज",
}
_SENDS = re.compile(
    START
    + any_of("send|share|forward|mail|bhej|bhejo|bhejiye|bhejna|bhej do|kar do|kar dijiye|de do|भेज|भेजिए|भेजो|कर दो")
    + END
)
_BYE = re.compile(
    START
    + any_of(
        "bye|goodbye|good bye|alvida|phone rakh|phone rakhta|phone rakhti|rakhta hoon|rakhti hoon|hang up|बाय|अलविदा|फोन रख"
    )
    + END
)
_HOUR = re.compile(
    rf"{START}(?:(?P<by>at|after|around|by)\s+)?(?P<hour>{NUMBER})(?::(?P<minute>\d\d))?\s*"
    rf"(?P<unit>baje|बजे|o'clock|pm|am|p\.m\.|a\.m\.|ke baad|के बाद)?{END}"
)
_MORNING = re.compile(START + any_of("morning|subah|am|a.m.|सुबह") + END)

# What is said once a tool has been called: in English, Hinglish and Hindi.
_AFTER: Mapping[str, tuple[str, str, str]] = {
    SEND: (
        "I have sent it on {channel}.",
        "Maine {channel} par bhej diya hai.",
        "मैंने {channel} पर भेज दिया है।",
    ),
    CALL_BACK: (
        "Sure, we will call you again then.",
        "Theek hai, hum aapko phir call karenge.",
        "ठीक है, हम आपको फिर कॉल करेंगे।",
    ),
    TRANSFER: (
        "One moment, I am connecting you.",
        "Ek minute, main aapki baat karwati hoon.",
        "एक मिनट, मैं आपकी बात करवाती हूँ।",
    ),
}
_FAILED = (
    "Sorry, that did not work just now.",
    "Maaf kijiye, abhi yeh nahi ho paya.",
    "क्षमा कीजिए, अभी यह नहीं हो पाया।",
)
_GOODBYE = ("Thank you, goodbye.", "Dhanyavaad, namaste.", "धन्यवाद, नमस्ते।")
_AGAIN = ("Sorry, could you say that again?", "Maaf kijiye, ek baar phir boliye?", "क्षमा कीजिए, एक बार फिर बोलिए?")
_SHOWN = {"whatsapp": "WhatsApp", "email": "email", "sms": "SMS"}


_WRITTEN = re.compile(
    any_of(
        "thank you for your message.|aapke message ke liye dhanyavaad.|aapka message mil gaya.|आपके संदेश के लिए धन्यवाद।|"
        "आपका संदेश मिल गया।"
    )
    + r"\s*",
    re.IGNORECASE,
)


def on_the_phone(tools: Sequence[Mapping[str, Any]]) -> bool:
    """Whether these are a call's tools."""
    return any(tool["name"] == END_CALL for tool in tools)


def tools(messages: Sequence[Message], prompt: Prompt) -> list[str]:
    """The call's tools that what was said asks for, in the order in which they are called; empty where it asks for none."""
    text = folded(" ".join(message.honest for message in messages))
    notions = {said.notion.name for message in messages for said in message.notions}
    offered = {tool["name"]: tool for tool in prompt.tools}
    named = []
    if REPORT in offered and _intents(messages, offered[REPORT]):
        named.append(REPORT)
    if {"ask_document", "ask_link"} & notions or (channel_in(text) and _SENDS.search(text)):
        named.append(SEND)
    if {"call_later", "busy"} & notions:
        named.append(CALL_BACK)
    if "ask_person" in notions:
        named.append(TRANSFER)
    if _ends(text, notions, messages, prompt):
        named.append(END_CALL)
    return [name for name in named if name in offered]


def words_after(called: Sequence[Called], column: int) -> str | None:
    """What is said of results; None where the words came with the call."""
    told = []
    for call in called:
        if call.name not in _AFTER:
            continue
        if call.failed:
            told.append(_FAILED[column])
            continue
        channel = str(call.input.get("channel", "whatsapp"))
        told.append(_AFTER[call.name][column].format(channel=_SHOWN.get(channel, channel)))
    return " ".join(dict.fromkeys(told)) or None


def confirmed(called: Sequence[Called]) -> bool:
    """Whether the result at hand is that somebody is who was asked for."""
    return any(call.name == REPORT and call.input.get("intent") == CONFIRMS for call in called)


def heard(text: str) -> str:
    """A reply without what is said to messages only."""
    return _WRITTEN.sub("", text).strip()


def question(text: str) -> str:
    """The question with which a reply ends, or nothing."""
    return re.split(r"(?<=[.!?।])\s+", text)[-1] if text.endswith("?") else ""


def goodbye(column: int) -> str:
    """The last words of a call."""
    return _GOODBYE[column]


def again(column: int) -> str:
    """What is said to something that was not understood."""
    return _AGAIN[column]


def channel_in(text: str) -> str | None:
    """The channel that a text names."""
    return next(
        (name for name, words in _CHANNELS.items() if re.search(START + any_of(words) + END, folded(text))), None
    )


def hour_in(text: str, now: datetime) -> str | None:
    """The next time of that hour ("after four", "chaar baje"): from one to seven in the afternoon unless it says morning."""
    low = folded(text)
    for found in _HOUR.finditer(low):
        if not (found["by"] or found["unit"]):
            continue
        hour = number_of(found["hour"])
        if hour is None or not 1 <= hour <= 23:
            continue
        unit = found["unit"] or ""
        morning = bool(_MORNING.search(low)) or unit.startswith("a")
        if hour < 12 and not morning and (hour < 8 or unit.startswith("p")):
            hour += 12
        at = now.replace(hour=hour, minute=int(found["minute"] or 0), second=0, microsecond=0)
        return (at if at > now else at + timedelta(days=1)).isoformat(timespec="minutes")
    return None


def _intents(messages: Sequence[Message], tool: Mapping[str, Any]) -> bool:
    """Whether what was said is one of the intents that the tool's enum offers."""
    return any(
        intents_of(messages, [Offer(str(name), str(schema.get("description") or "")) for name in schema["enum"]])
        for schema in tool["input_schema"].get("properties", {}).values()
        if "enum" in schema
    )


def _ends(text: str, notions: set[str], messages: Sequence[Message], prompt: Prompt) -> bool:
    if _BYE.search(text) or opt_out(messages) is not None or "wrong_person" in notions:
        return True
    said = next((turn.text for turn in reversed(prompt.history) if turn.role == "agent"), "")
    return bool(said) and "?" not in said and bool(notions) and notions <= {"thanks", "yes"}
