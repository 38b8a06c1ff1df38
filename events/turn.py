"""What Claude understood and wrote. Written by orchestrator's LLM worker; the stream is `turn-{intent id}`."""

from typing import Annotated

from events.base import Category, Event, Personal, Value
from events.values import Cost, PersonalData, PersonalTextOrNone, ToolChoice


class Usage(Value):
    """Tokens of one turn, all calls together."""

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0


class Completed(Event, tag="turn.completed.v1"):
    """Claude has understood and, where asked, written.

    `slots` holds what the contact said of the slots offered, their words stand in `words`; `breaks_off`: they will not go on
    with what is asked. `elsewhere` is what was said about other matters, by entity id: `{intents, extracted_info, words}`. `choice` is what a planner chose. `refused`: what Claude said that was not taken over, and why; without a
    `draft` that was the reply itself.
    """

    conversation: str
    model: str
    intents: list[str] = []
    extracted_info: PersonalData = {}
    words: PersonalData = {}
    language: str | None = None
    sentiment: str | None = None
    opt_out: bool = False
    slots: PersonalData = {}
    breaks_off: bool = False
    draft: PersonalTextOrNone = None
    choice: Annotated[ToolChoice | None, Personal(None)] = None
    usage: Usage = Usage()
    cost: Cost | None = None
    elsewhere: PersonalData = {}
    refused: Annotated[list[str], Personal([])] = []


class Failed(Event, tag="turn.failed.v1"):
    """Claude and the fallback model could not: the safe template, then a person. `cost`: what that took all the same."""

    conversation: str
    reason: str
    cost: Cost | None = None


class Withheld(Event, tag="turn.withheld.v1"):
    """The turn was no longer wanted when its time came."""

    conversation: str
    reason: str


TURN = Category("turn", current=(Completed, Failed, Withheld))
