"""Whether a machine has taken a call, by its first words: a mailbox that records, or an announcement that nobody hears."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from libs.domain.endpointing import words

Machine = Literal["mailbox", "announcement"]

WITHIN_MS = 10_000
MONOLOGUE_MS = 6_000
MONOLOGUE_WORDS = 15

_MAILBOX = (
    r"leave (?:us |me )?(?:a|your) (?:message|name)", r"after the (?:tone|beep)", r"at the (?:tone|beep)", r"voice ?mail",
    r"record your message", r"can ?not (?:take|answer|come to) (?:your call|the phone)", r"(?:is|am) not available .{0,40}message",
    r"you have reached (?:the )?(?:voice|mailbox|office of|\w+ \w+s? (?:phone|mobile))",
    r"(?:apna|apni) (?:sandesh|message)", r"beep ke baad", r"(?:sandesh|message) (?:chhodein|chhodiye|chhod dein|record)",
    r"अपना (?:संदेश|मैसेज)", r"(?:बीप|टोन) के बाद", r"(?:संदेश|मैसेज) (?:छोड़ें|छोड़िए|रिकॉर्ड)", r"वॉइस ?मेल",
)  # fmt: skip
_ANNOUNCEMENT = (
    r"the (?:person|number|subscriber|customer|airtel|jio|vodafone|vi) .{0,30}(?:calling|dialled|dialed|trying to reach)",
    r"switched off", r"not reachable", r"out of (?:coverage|network)", r"does not exist", r"currently (?:busy|unavailable)",
    r"is (?:busy|speaking) (?:on|with) (?:another|someone|an ?other)", r"please (?:try|call) (?:again )?(?:later|after some time)",
    r"temporarily out of service", r"incoming calls? .{0,20}not available",
    r"aap jis (?:number|vyakti|grahak|customer|subscriber)", r"sampark (?:karna|karne|nahi)", r"vyast h(?:ai|ain)",
    r"band h(?:ai|ain)(?: ya)?", r"pahunch se bahar", r"network (?:kshetra )?se bahar", r"kripaya (?:thodi|kuch) der",
    r"आप जिस (?:नंबर|व्यक्ति|ग्राहक)", r"संपर्क (?:करना|करने|नहीं)", r"व्यस्त है", r"(?:स्विच ऑफ|बंद) है", r"पहुँच से बाहर", r"नेटवर्क .{0,10}बाहर",
    r"कृपया (?:थोड़ी|कुछ) देर",
)  # fmt: skip
_MAILBOX_WORDS = re.compile("|".join(_MAILBOX), re.IGNORECASE)
_ANNOUNCED = re.compile("|".join(_ANNOUNCEMENT), re.IGNORECASE)
_ASKS = frozenset(
    [
        "hello",
        "kaun",
        "who",
        "why",
        "kyun",
        "kya",
        "what",
        "haan",
        "boliye",
        "bolo",
        "speaking",
        "हैलो",
        "कौन",
        "क्या",
        "हाँ",
        "बोलिए",
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What is done about a mailbox. `message` is said after its greeting; announcements are hung up on in any case."""

    leave_message: bool = False
    message: str | None = None
    within_ms: int = WITHIN_MS


def policy(told: Mapping[str, Any]) -> Policy:
    """`voice.voicemail` of the settings."""
    asked = told.get("voicemail") or {}
    return Policy(
        leave_message=asked.get("policy") == "leave_message",
        message=asked.get("message"),
        within_ms=round(float(asked.get("within_s", WITHIN_MS / 1000)) * 1000),
    )


def machine(text: str, *, speaking_ms: int) -> Machine | None:
    """What has taken the call, by all that was said since, without a pause for `speaking_ms`; None: a person, as far as we know.

    Both kinds say "the person you are calling": what speaks of a message or a tone is a mailbox.
    """
    if _MAILBOX_WORDS.search(text):
        return "mailbox"
    if _ANNOUNCED.search(text):
        return "announcement"
    said = words(text)
    long = speaking_ms >= MONOLOGUE_MS and len(said) >= MONOLOGUE_WORDS
    return "mailbox" if long and not _ASKS.intersection(said) else None
