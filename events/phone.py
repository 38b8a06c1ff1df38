"""A call as its conversation takes it: what was said in it, what was asked for, what it goes on with. Written by orchestrator.

The call's own facts are those of the voice service (events/call.py); the conversation folds from these.
"""

from datetime import datetime
from typing import Literal

from events.base import Event
from events.call import TransferOutcome
from events.values import Cost, FactOffer, PersonalData, PersonalText

CallOutcome = Literal["talked", "unanswered", "failed", "withheld"]
"""`talked`: with the contact. `unanswered`: it rang, and the contact was not spoken with. The others rang nobody."""


class CallBegun(Event, tag="conversation.call_begun.v1"):
    """Somebody has picked up `call`: until it is over it has the floor."""

    call: str


class RangUs(Event, tag="conversation.rang_us.v1"):
    """The contact called us, and nobody talked with them, or not to an end: it is answered by calling them."""

    call: str
    at: datetime
    sender: PersonalText


class Talked(Event, tag="conversation.talked.v1"):
    """One exchange of a call: what the contact said (empty: we spoke first), and what they heard of our answer."""

    call: str
    turn: int
    contact: PersonalText
    agent: PersonalText
    at: datetime
    matter: str | None = None
    interrupted: bool = False


class CallAsked(Event, tag="conversation.call_asked.v1"):
    """Claude asked for something in a call, the `number`th time; the outcome of the intent `waits_for` answers it."""

    call: str
    number: int
    tool: str
    waits_for: str | None = None


class CallGuided(Event, tag="conversation.call_guided.v1"):
    """What a call goes on with from its next turn on, and what came of what was asked for in it.

    `answers` by the number of the tool call: `{status, note, …}`. `speaks`: the contact waits for words about it.
    `ends`: there is nothing more to say than goodbye.
    """

    call: str
    instructions: PersonalText
    context: PersonalData = {}
    intents: dict[str, str] = {}
    facts: list[FactOffer] = []
    channels: list[str] = []
    tools: dict[str, str] = {}
    state: str | None = None
    answers: PersonalData = {}
    speaks: bool = False
    ends: bool = False


class CallOver(Event, tag="conversation.call_over.v1"):
    """The call is over, or never was; it is no longer awaited. `costs` by component."""

    call: str
    outcome: CallOutcome
    reason: str
    seconds: int = 0
    costs: dict[str, Cost] = {}


class TransferRequested(Event, tag="conversation.transfer_requested.v1"):
    """A person takes over in `call`: the contact is let go to them after our last words. `whisper` is what that person hears first."""

    call: str
    reason: PersonalText
    whisper: PersonalText
    matter: str | None = None


class TransferHeard(Event, tag="conversation.transfer_heard.v1"):
    """What became of handing a contact over in `call`."""

    call: str
    outcome: TransferOutcome
    seconds: int = 0


ON_THE_PHONE = (CallBegun, RangUs, Talked, CallAsked, CallGuided, CallOver, TransferRequested, TransferHeard)
"""The facts of a conversation about its calls."""
