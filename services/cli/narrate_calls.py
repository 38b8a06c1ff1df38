"""Calls in words: one readable line a fact."""

from collections.abc import Callable, Mapping
from typing import Any

from events import call, phone
from events.values import Cost

Teller = Callable[[Any], str]


def quoted(text: str, at_most: int = 140) -> str:
    """A text on one line, in quotes."""
    flat = " ".join(text.split())
    return f"“{flat if len(flat) <= at_most else flat[: at_most - 1] + '…'}”"


def money(costs: Mapping[str, Cost]) -> str:
    """What something cost, by component."""
    return ", ".join(f"{name} {cost.micros / 1_000_000:.4f} {cost.currency}" for name, cost in costs.items())


def _requested(event: call.CallRequested | call.CallTaken) -> str:
    first = "who it is comes first; " if event.identifies else ""
    return f"{first}{quoted(event.opening)}"


def _turn(event: call.TurnTaken | phone.Talked) -> str:
    said = f"Contact: {quoted(event.contact)} " if event.contact else ""
    heard = f"Agent: {quoted(event.agent)}" if event.agent else "Agent: (nothing was heard)"
    return f"{said}{heard}{' (interrupted)' if event.interrupted else ''}"


def _tool(event: call.ToolCalled) -> str:
    return f"{event.tool} {_given(event.inputs)}"


def _given(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """What of a tool's input says something."""
    given = {name: _given(value) if isinstance(value, Mapping) else value for name, value in inputs.items()}
    return {name: value for name, value in given.items() if value not in (None, "", {}, [])}


def _guided(event: phone.CallGuided) -> str:
    answers = "; ".join(
        ": ".join(str(each[key]) for key in ("status", "note") if key in each) for each in event.answers.values()
    )
    state = f"[{event.state}] " if event.state else ""
    return f"{state}{answers or quoted(event.instructions)}"


def _ended(event: call.Ended) -> str:
    costs = f"; {money(event.costs)}" if event.costs else ""
    return f"{event.reason} after {event.seconds} s and {event.turns} turns{costs}"


TELLERS: dict[type[Any], Teller] = {
    call.CallRequested: _requested,
    call.Dialled: lambda event: f"{event.provider} took it as {event.provider_ref}",
    call.Rejected: lambda event: f"{event.code}: {event.reason}",
    call.Withheld: lambda event: event.reason,
    call.OutcomeUnknown: lambda event: event.reason,
    call.TurnTaken: _turn,
    call.ToolCalled: _tool,
    call.Ended: _ended,
    call.ProviderSwitched: lambda event: f"from {event.from_provider} to {event.to_provider}: {event.reason}",
    call.RecordingStored: lambda event: f"{event.seconds} s, kept until {event.delete_at.isoformat()}",
    call.RecordingDeleted: lambda event: event.reason,
    call.SummaryFailed: lambda event: event.reason,
    call.Summarised: lambda event: quoted(event.summary),
    call.CameIn: lambda event: f"over {event.provider} as {event.provider_ref}{' and waits' if event.waits else ''}",
    call.CallTaken: _requested,
    call.Missed: lambda event: f"{event.reason}{', with the promise that we call' if event.promised else ''}",
    call.TransferOver: lambda event: f"{event.outcome} after {event.seconds} s",
    phone.TransferRequested: lambda event: f"a person takes over, who hears {quoted(event.whisper)}",
    phone.TransferHeard: lambda event: event.outcome,
    phone.RangUs: lambda event: "they are called",
    phone.Talked: lambda event: f"turn {event.turn} is part of the conversation",
    phone.CallAsked: lambda event: f"{event.tool}, number {event.number}",
    phone.CallGuided: _guided,
    phone.CallOver: lambda event: f"{event.outcome} ({event.reason})",
}
"""How each fact about a call is told."""
