"""One LLM turn as data: what is asked of Claude, and what came back, checked."""

from datetime import datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from events.values import FactOffer
from libs.domain.facts import COMMON_FACTS

Wants = Literal["understand", "draft", "both"]
Sentiment = Literal["positive", "neutral", "negative", "angry"]
Confidence = Literal["low", "medium", "high"]


class IntentOffer(msgspec.Struct, frozen=True):
    """An intent that the process knows, as the state map names and describes it."""

    name: str
    description: str = ""


class SlotOffered(msgspec.Struct, frozen=True, kw_only=True):
    """Something that the step asks for, or that the contact may correct; `value` is what they said before."""

    name: str
    type: Literal["date", "amount", "phone", "choice", "text"]
    required: bool = True
    choices: tuple[str, ...] = ()
    ask: str | None = None
    value: Any = None


class ToolOffered(msgspec.Struct, frozen=True, kw_only=True):
    """A tool that a planner may choose, and what it may say to it."""

    name: str
    description: str
    inputs: tuple[SlotOffered, ...] = ()


class Choice(msgspec.Struct, frozen=True):
    """What a planner chose. Whether it may be done is for the dialogue to say."""

    tool: str
    inputs: dict[str, Any]


class Utterance(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was said in the conversation; `at` is aware."""

    role: Literal["contact", "agent", "operator"]
    text: str
    channel: str | None = None
    at: datetime | None = None


class TurnRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What Claude is asked in one turn.

    `now` is the aware business time; `timezone` (IANA) is the contact's, in which "kal" is resolved. `persona` is stable
    per tenant and process (it is cached); `instructions` is the rendered prompt of the flow step. `context` is a JSON
    object of what is known (entity, business context, contact name). `own_facts` are those that the
    process wants beside the common ones. `unread` are the contact's messages that no turn
    has read yet, oldest first. `slots` are asked for at this step, or may be corrected at it. With `tools` nothing is
    said: Claude chooses one of them, or finishes; `done` holds its choices before. `other_matters` are the entity ids of what
    else is open. `model`, `fallback_model` and
    `max_tokens` override those of the client.
    """

    wants: Wants
    now: datetime
    timezone: str = "Asia/Kolkata"
    instructions: str = ""
    persona: str = ""
    intents: tuple[IntentOffer, ...] = ()
    own_facts: tuple[FactOffer, ...] = ()
    slots: tuple[SlotOffered, ...] = ()
    tools: tuple[ToolOffered, ...] = ()
    done: tuple[dict[str, Any], ...] = ()
    context: dict[str, Any] = {}
    other_matters: tuple[str, ...] = ()
    history: tuple[Utterance, ...] = ()
    unread: tuple[Utterance, ...] = ()
    channel: str | None = None
    language: str | None = None
    max_words: int = 60
    model: str | None = None
    fallback_model: str | None = None
    max_tokens: int | None = None

    def __post_init__(self) -> None:
        if self.now.tzinfo is None:
            raise ValueError(f"now must be zone-aware, got {self.now.isoformat()}")
        try:
            ZoneInfo(self.timezone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"timezone must be an IANA name such as Asia/Kolkata, got {self.timezone!r}") from error
        if self.wants == "understand" and not self.unread:
            raise ValueError("a turn that only understands needs at least one unread message")

    @property
    def facts(self) -> tuple[FactOffer, ...]:
        """The facts to listen for: the common ones, then the process's own."""
        return (*COMMON_FACTS, *self.own_facts)

    @property
    def local_now(self) -> datetime:
        """Business time on the contact's wall clock."""
        return self.now.astimezone(ZoneInfo(self.timezone))


class IntentFound(msgspec.Struct, frozen=True):
    """An intent that the unread messages express, and the contact's words that say so; `about`: which other matter."""

    name: str
    confidence: Confidence
    words: str
    about: str | None = None


class Fact(msgspec.Struct, frozen=True):
    """A fact that the contact stated.

    `value` is JSON: an ISO date (`date`), an ISO date-time with offset (`datetime`), a whole number as int or else a
    decimal string (`amount`, `number`: rupees as said, not paise), E.164 where it can be told (`phone`), else text.
    `grounded` is true when `words` stand literally in an unread message. `about`: which other matter it is of.
    """

    name: str
    value: str | int
    words: str
    grounded: bool
    about: str | None = None


class SlotSaid(msgspec.Struct, frozen=True):
    """What the contact said of a slot; whether that answers it is for the dialogue to say."""

    name: str
    value: str
    words: str


class Elsewhere(msgspec.Struct, frozen=True):
    """What was said about another matter than the one in question."""

    intents: list[str]
    extracted_info: dict[str, str | int]
    words: dict[str, str]


class Understanding(msgspec.Struct, frozen=True, kw_only=True):
    """What the unread messages mean; `intents` are ordered, the most important first; `dropped` says what was refused.

    `breaks_off`: the contact will not go on with what the step asks.
    """

    intents: tuple[IntentFound, ...]
    facts: tuple[Fact, ...]
    language: str
    sentiment: Sentiment
    opt_out: bool
    opt_out_words: str | None
    dropped: tuple[str, ...]
    slots: tuple[SlotSaid, ...] = ()
    breaks_off: bool = False

    @property
    def intent_names(self) -> list[str]:
        """The intents' names, the most important first; of the matter in question, as all that follows."""
        return [intent.name for intent in self.intents if intent.about is None]

    @property
    def words(self) -> dict[str, str]:
        """The contact's words by fact name: where each value came from."""
        return {fact.name: fact.words for fact in self.facts if fact.about is None} | {
            slot.name: slot.words for slot in self.slots
        }

    @property
    def extracted_info(self) -> dict[str, str | int]:
        """Values by fact name, as conditions and templates read them."""
        return {fact.name: fact.value for fact in self.facts if fact.about is None}

    @property
    def elsewhere(self) -> dict[str, Elsewhere]:
        """What was said about other matters, by their entity ids."""
        named = [intent.about for intent in self.intents] + [fact.about for fact in self.facts]
        others = dict.fromkeys(about for about in named if about is not None)
        return {
            other: Elsewhere(
                [intent.name for intent in self.intents if intent.about == other],
                {fact.name: fact.value for fact in self.facts if fact.about == other},
                {fact.name: fact.words for fact in self.facts if fact.about == other},
            )
            for other in others
        }


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens; `input` excludes those that were read from or written to the cache."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            input=self.input + other.input,
            output=self.output + other.output,
            cache_read=self.cache_read + other.cache_read,
            cache_write=self.cache_write + other.cache_write,
        )


class ModelCall(msgspec.Struct, frozen=True, kw_only=True):
    """One request to the Messages API, as needed for its price: failed ones count too where they were billed."""

    model: str
    usage: Usage
    stop_reason: str | None
    request_id: str | None
    first_token_ms: int | None
    total_ms: int
    emulated: bool = False


class TurnResult(msgspec.Struct, frozen=True, kw_only=True):
    """A turn that succeeded: `understanding` and `reply`, or `choice`, as asked for, and its calls, failed ones first.

    `refused`: what of it could not be used, and why. A turn that understood and wrote nothing that may be sent has no reply.
    """

    understanding: Understanding | None
    reply: str | None
    reply_language: str | None
    calls: tuple[ModelCall, ...]
    choice: Choice | None = None
    refused: tuple[str, ...] = ()

    @property
    def usage(self) -> Usage:
        """Tokens of all calls together (prices differ by model: for money go by `calls`)."""
        return sum((call.usage for call in self.calls), Usage())

    @property
    def model(self) -> str:
        """The model that answered last."""
        return self.calls[-1].model

    @property
    def stop_reason(self) -> str | None:
        """Why the last call stopped."""
        return self.calls[-1].stop_reason

    @property
    def emulated(self) -> bool:
        """True when an emulator answered: such a result is never called Claude's."""
        return any(call.emulated for call in self.calls)
