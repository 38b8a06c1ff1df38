"""What a telephony carrier tells of a call, whichever carrier it is."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from libs.channels.outcome import Refused

State = Literal["ringing", "answered", "completed", "busy", "no_answer", "failed"]
OVER: frozenset[State] = frozenset({"completed", "busy", "no_answer", "failed"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What is known of a call: `ref` is the carrier's id, `call` ours where it came back. `seconds` of conversation, once over.

    `refused`: it failed because the network refused it, before any phone rang.
    """

    ref: str
    state: State
    at: datetime
    call: str | None = None
    seconds: int | None = None
    machine: bool = False
    recording: str | None = None
    refused: Refused | None = None
