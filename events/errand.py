"""What a conversation has to be done at the ERP: facts of the family `conversation`. Written by orchestrator."""

from typing import Literal

from events.base import Intent
from events.values import PersonalData


class ToolRequested(Intent, tag="conversation.tool_requested.v1", effect="backend.tool"):
    """The ERP is asked something by a flow. `call` is this intent's own id."""

    call: str
    matter: str
    endpoint: str
    result_key: str
    payload: PersonalData = {}
    step: str | None = None


class WritebackRequested(Intent, tag="conversation.writeback_requested.v1", effect="backend.write"):
    """The ERP is told something, until it confirms. `call` is this intent's own id.

    With a `result_key` the state map hears what the ERP answers.
    """

    call: str
    matter: str
    endpoint: str
    payload: PersonalData = {}
    why: Literal["action", "resolved", "exhausted"] = "action"
    result_key: str | None = None
    step: str | None = None
