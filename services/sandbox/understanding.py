"""What the emulated Claude makes of a contact's messages: intents among those offered, facts, language, opt-out.

An emulator, not a model: it knows the phrases of claude_lexicon and the words that the request itself offers.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Literal

from services.sandbox.claude_amounts import ValueFound, values_in
from services.sandbox.claude_dates import DateFound, dates_in
from services.sandbox.claude_language import Sentiment, language_of, opt_out_in, sentiment_of
from services.sandbox.claude_lexicon import GLOSSES, PROMISE, Notion, Said, notion, notions_in
from services.sandbox.claude_text import END, START, any_of, folded, stem, stems, tokens, word_set

Confidence = Literal["low", "medium", "high"]


@dataclass(frozen=True, slots=True)
class Offer:
    """A name that the request offers, with its description: an intent, or a fact to look for."""

    name: str
    description: str = ""

    @property
    def stems(self) -> frozenset[str]:
        """The stems of name and description."""
        return frozenset(stems(self.name)) | frozenset(stems(self.description))


@dataclass(frozen=True, slots=True)
class Intended:
    """An offered intent that was found."""

    name: str
    confidence: Confidence
    words: str


@dataclass(frozen=True, slots=True)
class Stated:
    """A wanted fact that was found."""

    name: str
    value: str
    words: str


@dataclass(frozen=True, slots=True)
class Message:
    """One message of the contact, read by itself. `honest` is its text up to where it gives orders to the machine."""

    text: str
    honest: str
    notions: list[Said] = field(default_factory=list)
    dates: list[DateFound] = field(default_factory=list)
    values: list[ValueFound] = field(default_factory=list)
    today: date = date.min


LONGEST = 4_000
"""Characters of a message that are read."""

_INJECTED = re.compile(
    any_of(
        "ignore previous|ignore all|ignore your|ignore the above|disregard|system prompt|your instructions|you are now|"
        "new instructions|developer mode|act as|pretend to be|pretend you|jailbreak|mark as|mark it as|mark this|update the status"
    )
)
_SENTENCE = re.compile(r"[^.!?।\n]+(?:[.!?।](?=\S)[^.!?।\n]*)*[.!?।\n]*")
_REASON = re.compile(
    START
    + any_of("because|as the|since the|due to|kyunki|kyonki|is liye kyunki|wajah se|क्योंकि|वजह से")
    + END
    + r"[^.!?।\n]{3,120}"
)
_IS = rf"\s*(?::|=|{any_of('is|are|was|hai|number is|ka naam')}{END})\s*"
_EMPTY = word_set(
    "a an the to of in on at by for from with and or but is are was be been it its this that they them their he she we i "
    "you your our my me us contact customer person say state ask want when what which who whether if will would can "
    "already not no do does did has have had more than as about any some other tell express give make request message "
    "hai ho ka ki ke ko se"
)


def read(text: str, now: datetime) -> Message:
    """What one message says; from the first sentence that gives orders to the machine on it says nothing."""
    orders = next((s.start() for s in _SENTENCE.finditer(text) if _INJECTED.search(folded(s[0]))), len(text))
    honest = text[: min(orders, LONGEST)]
    dates = dates_in(honest, now)
    values = values_in(honest, [(d.start, d.end) for d in dates])
    return Message(text, honest, notions_in(honest), dates, values, now.date())


def intents_of(messages: Sequence[Message], offered: Sequence[Offer]) -> list[Intended]:
    """The offered intents that the messages express, a stop first, then the surest, then in the order of the offer.

    A notion of the lexicon goes to the offered intent that is named most like it. What the lexicon does not know is
    matched by the words that a message shares with one intent's name and description and with few others.
    """
    scores: dict[str, float] = {}
    words: dict[str, str] = {}

    def count(name: str, score: float, said: str) -> None:
        if score > scores.get(name, 0.0):
            scores[name], words[name] = score, said

    for message in messages:
        out = opt_out_in(message.text)
        strong = [said for said in message.notions if not said.notion.weak]
        if not strong and message.dates and out is None:
            # A bare "20 tak" answers the question by when.
            strong = [Said(PROMISE, message.dates[0].words)]
        for said in strong or message.notions:
            name, fit = _best(said.notion, offered)
            if name is None and (instead := _INSTEAD.get(said.notion.name)):
                name, fit = _best(instead, offered)
                fit *= 0.8
            if name is not None:
                count(name, fit * (0.7 if said.notion.weak else 1.0), said.words)
        if out is not None:
            for offer in offered:
                if _means_opt_out(offer):
                    count(offer.name, 2.0, out)
        elif not any(_best(said.notion, offered)[0] or said.notion.name in _QUESTIONS for said in strong):
            for name, score, said_words in _by_words(message, offered):
                count(name, score, said_words)
    found = [Intended(o.name, _confidence(scores[o.name]), words[o.name]) for o in offered if o.name in scores]
    return sorted(found, key=lambda intent: (scores[intent.name] < 2.0, _CONFIDENCES.index(intent.confidence)))


def facts_of(messages: Sequence[Message], wanted: Sequence[Offer], kinds: dict[str, str]) -> list[Stated]:
    """The wanted facts that the messages state, each once; the newest message that states one counts."""
    found: dict[str, Stated] = {}
    for message in messages:
        by_message: dict[str, Stated] = {}
        for kind, value, words in _said_values(message):
            names = [offer for offer in wanted if kinds[offer.name] in _FITS[kind] and offer.name not in by_message]
            today = message.today.isoformat()
            if kind == "date" and value[:10] > today:  # nobody has paid on a day to come
                names = [offer for offer in names if "paid" not in offer.name]
            over = kind == "date" and value[:10] < today
            if (offer := _fitting(names, kinds, message, kind, len(wanted) == 1, over)) is not None:
                by_message[offer.name] = Stated(offer.name, _as_kind(value, kinds[offer.name]), words)
        if reason := _REASON.search(folded(message.text)):
            for offer in wanted:
                if kinds[offer.name] == "text" and "reason" in offer.stems:
                    words = message.text[reason.start() : reason.end()].strip()
                    by_message[offer.name] = Stated(offer.name, words, words)
        for offer in wanted:
            if (
                kinds[offer.name] == "text"
                and offer.name not in by_message
                and (said := _after_its_name(message, offer))
            ):
                by_message[offer.name] = Stated(offer.name, said, said)
        found |= by_message
    return list(found.values())


def _after_its_name(message: Message, offer: Offer) -> str | None:
    """What comes after the name of a fact in free words ("the machine model is Bosch 500"), to the end of the sentence."""
    name = r"\W+".join(re.escape(part) for part in folded(offer.name).split("_"))
    found = re.search(rf"{START}{name}{END}{_IS}([^.!?।\n,;]{{2,80}})", folded(message.honest))
    return message.honest[found.start(1) : found.end(1)].strip() if found else None


def language(messages: Sequence[Message], otherwise: str) -> str:
    """The language of the messages, the newest that tells."""
    return language_of([m.text for m in messages], otherwise)


def sentiment(messages: Sequence[Message]) -> Sentiment:
    """The feeling of the messages together."""
    return sentiment_of([m.text for m in messages])


def opt_out(messages: Sequence[Message]) -> str | None:
    """The words of the first message that asks not to be contacted any more."""
    return next((words for m in messages if (words := opt_out_in(m.text))), None)


_CONFIDENCES: tuple[Confidence, ...] = ("high", "medium", "low")
# What an offer without the notion itself would call it.
_INSTEAD = {
    "damaged": notion("dispute"),
    "not_received": notion("dispute"),
    "partial": PROMISE,
    "hardship": notion("more_time"),
    "distress": notion("hardship"),
    "complain": notion("ask_person"),
    "change_order": notion("cancel"),
    "reschedule": notion("change_order"),
    "change_address": notion("change_order"),
}
_FITS = {
    "date": ("date", "datetime"),
    "amount": ("amount", "number"),
    "number": ("number", "amount"),
    "reference": ("reference",),
    "phone": ("phone",),
    "email": ("email",),
}
_QUESTION = re.compile(
    rf"\?\s*$|^\W*{any_of('which|what|who|whom|whose|where|when|how|why|kya|kaun|kaunsa|kis|kiska|kyun|kyon|क्या|कौन|किस|किसका|क्यों')}{END}"
)
_QUESTIONS = word_set("ask_which ask_amount ask_link who_are_you")  # what is asked is plain: nothing else is guessed
_ASKING = word_set("ask question enquire enquiry query want request need would")
_SENDING = frozenset({"deliver", "dispatch", "send", "goods", "order", "ship"})
_ABOUT = {
    "pay": ("promise", "already_paid", "partial", "more_time", "refuse"),
    "paid": ("already_paid",),
    "deliver": ("track", "reschedule", "received", "not_received", "order"),
    "call": ("call_later", "busy"),
    "callback": ("call_later", "busy"),
    "contact": ("call_later", "busy"),
}


def _said_values(message: Message) -> list[tuple[str, str, str]]:
    """Each value with its kind and words. Who promises means a day to come: "I told you yesterday that I pay on the 25th"."""
    ahead = any(said.notion is PROMISE for said in message.notions)
    dates = [
        ("date", datetime.combine(d.day, d.at or time()).isoformat(timespec="minutes"), d.words)
        for d in sorted(message.dates, key=lambda d: ahead and d.day < message.today)
    ]
    return dates + [(v.kind, v.value, v.words) for v in message.values]


def _as_kind(value: str, kind: str) -> str:
    if kind == "date":
        return value[:10]
    return value.replace("T00:00", "T10:00") if kind == "datetime" else value


def _fitting(
    offers: list[Offer], kinds: dict[str, str], message: Message, kind: str, only: bool, over: bool
) -> Offer | None:
    """Of several wanted facts of a kind the one that is about what the message is about; else the first of that very kind.

    A day that is `over`, and that nobody promises, is one on which something was paid. A day is no moment: unless it is the
    `only` thing asked, it fills a date-time just where the message is about that.
    """
    if not offers:
        return None
    notions = {said.notion.name for said in message.notions}
    said = _glossed(message.text)

    def fit(offer: Offer) -> float:
        about = sum(2.0 for word, names in _ABOUT.items() if word in stems(offer.name) and notions.intersection(names))
        if "deliver" in stems(offer.name) and said & _SENDING:
            about += 1.0
        if "paid" in offer.name and ("already_paid" in notions or (over and PROMISE.name not in notions)):
            about += 2.0
        return about + len(offer.stems & said - _EMPTY) + (0.5 if kinds[offer.name] == kind else 0.0)

    best = max(offers, key=fit)
    if not only and fit(best) < 1.0 and kind == "date" and all(kinds[o.name] != "date" for o in offers):
        return None
    return best


def _best(meant: Notion, offered: Sequence[Offer]) -> tuple[str | None, float]:
    """The offered intent that is named most like the notion, from 0 to 1.5: its own name counts more than its description."""
    ranked = list(enumerate(meant.named))
    fits = [
        (max(_fit(group, rank / len(ranked), offer, meant) for rank, group in ranked), offer.name) for offer in offered
    ]
    best = max(fits, key=lambda fit: fit[0], default=(0.0, None))
    return (best[1], best[0]) if best[0] > 0.0 else (None, 0.0)


def _fit(group: frozenset[str], late: float, offer: Offer, meant: Notion) -> float:
    """How well a group of stems names an offer; of several groups the earlier one (`late` from 0 to 1) fits better."""
    name = stems(offer.name)
    if offer.name == meant.name:
        return 1.5
    if group.issubset(name):
        return 1.3 - 0.1 * late
    if group.issubset(offer.stems):
        return 0.6 + 0.1 * len(group) + 0.2 * len(group.intersection(name)) / len(group) - 0.05 * late
    return 0.0


def _means_opt_out(offer: Offer) -> bool:
    name = set(stems(offer.name))
    return bool(name & {"stop", "unsubscribe", "optout", "dnd"}) or {"opt", "out"} <= name or {"not", "contact"} <= name


def _glossed(text: str) -> frozenset[str]:
    return frozenset(stem(GLOSSES.get(token, token)) for token in tokens(text))


def _by_words(message: Message, offered: Sequence[Offer]) -> list[tuple[str, float, str]]:
    """Offers that share words with the message. A question asks: it says nothing, whatever it is about."""
    said = _glossed(message.honest) - _EMPTY
    if _QUESTION.search(folded(message.honest)):
        offered = [offer for offer in offered if offer.stems & _ASKING]
    known_by = Counter(word for offer in offered for word in offer.stems - _EMPTY)
    found = []
    for offer in offered:
        own = offer.stems - _EMPTY
        shared = {word for word in own if any(_akin(word, other) for other in said)}
        score = sum(1.0 / known_by[word] for word in shared)
        name = frozenset(stems(offer.name)) - _EMPTY
        if score >= 1.0 and own and (shared & name or len(shared) >= 2):
            found.append(
                (offer.name, 0.3 + 0.2 * min(len(shared), 3) * min(score / len(shared), 1.0), message.honest.strip())
            )
    best = max((score for _, score, _ in found), default=0.0)
    return [entry for entry in found if entry[1] >= best]


def _akin(one: str, other: str) -> bool:
    return one == other or (min(len(one), len(other)) >= 4 and (one.startswith(other) or other.startswith(one)))


def _confidence(score: float) -> Confidence:
    return "high" if score >= 1.0 else "medium" if score >= 0.65 else "low"
