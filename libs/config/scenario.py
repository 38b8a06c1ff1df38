"""Conversation scenarios: a person, what they say and do, and what has to come of it. They test a bundle."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

Language = Literal["en", "hinglish", "hi"]
EVERYWHERE = ("whatsapp", "email", "sms")
SOON_S = 120
NeverKind = Literal["says", "tool", "state", "template", "channel", "intent"]
Fate = Literal["open", "resolved", "exhausted", "cancelled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Persona:
    """Whom we talk with. `channels`: on which they are registered; `agreed`: on which they agreed to be written to.

    What is said to them on an `unreachable` channel is refused by its provider.
    """

    name: str
    organization: str = ""
    channels: tuple[str, ...] = EVERYWHERE
    agreed: tuple[str, ...] = EVERYWHERE
    unreachable: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that the ERP tells; the contact's id is added."""

    name: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Called:
    """An endpoint of the ERP, with the part of its payload that matters."""

    endpoint: str
    payload: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A message of ours, as far as it matters; `contains` is looked for without regard to case."""

    channel: str | None = None
    template: str | None = None
    contains: str | None = None
    purpose: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Expect:
    """What must be so after a step (since the step before), or at the end (since the beginning).

    `intents`, `tools` and `messages` must be among what there was, in this order; `states` are all that were passed.
    `info` are facts that were understood and `words` parts of what they came from. `matter`: the entity that is meant,
    where there are several. `queue`: whom a person was called for.
    """

    matter: str | None = None
    state: str | None = None
    states: tuple[str, ...] = ()
    outcome: Fate | None = None
    intents: tuple[str, ...] = ()
    info: Mapping[str, Any] = field(default_factory=dict)
    words: Mapping[str, str] = field(default_factory=dict)
    tools: tuple[Called, ...] = ()
    messages: tuple[Sent, ...] = ()
    silent: bool = False
    queue: str | None = None
    stopped: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that happens, `after_s` seconds of business time after what was before; all its keys but one are empty.

    `says` on `channel` (default: where we wrote last); `waits_s`: nobody does anything for so long; `event`: the ERP tells;
    `pays`: money for an entity, None for all that is outstanding; `books`: the ERP knows this from now on, by kind;
    `by_hand`: an operator gives this manual trigger.
    """

    after_s: int = SOON_S
    says: str | None = None
    channel: str | None = None
    waits_s: int | None = None
    event: Event | None = None
    pays: tuple[str, int | None] | None = None
    books: Mapping[str, Any] = field(default_factory=dict)
    by_hand: str | None = None
    expect: Expect = Expect()
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Never:
    """What must not happen, `until` a state is reached where one is named."""

    kind: NeverKind
    value: str
    until: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """At most so many words a message, messages of ours, turns with Claude and tokens of them; `money`: minor units by currency."""

    words: int | None = None
    messages: int | None = None
    turns: int | None = None
    tokens: int | None = None
    money: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One story. `name` is its file below `scenarios/`, without the ending; `starts` has no zone: the policy's is meant."""

    name: str
    file: str
    about: str
    process: str
    language: Language
    persona: Persona
    starts: datetime
    event: Event | None = None
    books: Mapping[str, Any] = field(default_factory=dict)
    story: tuple[Step, ...] = ()
    expect: Expect = Expect()
    never: tuple[Never, ...] = ()
    limits: Limits = Limits()
