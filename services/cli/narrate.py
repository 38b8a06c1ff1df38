"""Facts in words: one readable line a fact, for the demo and the trace."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from events import (
    backend,
    business,
    config,
    consent,
    contact,
    conversation,
    dialogue,
    errand,
    followup,
    inbound,
    message,
    operator,
    person,
    reach,
    rules,
    timer,
    turn,
)
from events.base import Event, Recorded
from events.values import PolicyCheck, PolicyDecision
from services.cli import narrate_calls
from services.cli.narrate_calls import quoted

Teller = Callable[[Any], str]


def line(fact: Recorded[Any]) -> str:
    """What a fact says, in one line."""
    teller = TELLERS.get(type(fact.event))
    return teller(fact.event) if teller else ""


def _evaluated(event: rules.Evaluated) -> str:
    said = [f"{each.rule_id} matched ({'; '.join(each.why) or 'no conditions'})" for each in event.matched]
    said += [f"{each.rule_id} did not ({'; '.join(each.reasons)})" for each in event.rejected]
    return "; ".join(said) or "no rule listens to this event"


def _decision(decision: PolicyDecision) -> str:
    return _checks(decision.checks)


def _checks(checks: Iterable[PolicyCheck]) -> str:
    """What each rule said, and where it comes from: its place in the policy and since when it holds; what is the same, once."""
    said: dict[tuple[str, str], list[str]] = {}
    for check in checks:
        known = f" [{check.provision or check.source}, since {check.effective}]" if check.effective else ""
        said.setdefault((check.verdict, check.detail), []).append(f"{check.rule}{known}")
    return "; ".join(
        f"{', '.join(rules)}{'' if verdict == 'allowed' else f' {verdict}'}: {detail}"
        for (verdict, detail), rules in said.items()
    )


def _against(decisions: Sequence[PolicyDecision]) -> str:
    """By which rules each channel was not to be used now, or not at all."""
    said = []
    for decision in decisions:
        checks = [each for each in decision.checks if each.verdict in ("deferred", "refused")]
        if checks:
            said.append(f"{decision.channel} {_checks(checks)}")
    return " | ".join(said)


def _attempt(event: followup.AttemptStarted) -> str:
    return f"attempt {event.number} on {event.channel}; allowed because {_decision(event.allowed_by)}"


def _deferred(event: followup.Deferred) -> str:
    why = _against(event.decisions) or "; ".join(each.reason for each in event.skipped)
    return f"not before {event.until.isoformat(timespec='minutes')}: {why}"


def _exhausted(event: followup.Exhausted) -> str:
    why = _against(event.decisions) or "; ".join(f"{each.channel}: {each.reason}" for each in event.skipped)
    return f"{event.reason}: {why}" if why else event.reason


def _message(event: conversation.MessageRequested) -> str:
    how = f"template {event.body.template}" if event.body.template else "text"
    purpose = "asks who it is" if event.identifies else event.purpose
    exempt = [each for each in event.allowed_by.checks if each.verdict == "exempt"]
    allowed = f"; allowed because {_checks(exempt)}" if exempt else ""
    return f"{purpose} on {event.channel} ({how}): {quoted(event.body.text)}{allowed}"


def _facts(found: dict[str, Any], words: dict[str, Any]) -> str:
    return ", ".join(
        f"{name} = {value}" + (f" (from {quoted(str(words[name]))})" if name in words else "")
        for name, value in found.items()
    )


def _understood(event: conversation.Understood | turn.Completed) -> str:
    parts = [f"intents: {', '.join(event.intents) or 'none'}"]
    if event.extracted_info:
        parts.append(_facts(event.extracted_info, event.words))
    if event.language:
        parts.append(f"language {event.language}")
    if event.opt_out:
        parts.append("wants to hear no more")
    return "; ".join(parts)


def _completed(event: turn.Completed) -> str:
    drafted = f"; draft {quoted(event.draft)}" if event.draft else ""
    cost = f"; {event.cost.micros / 1e6:.6f} {event.cost.currency}" if event.cost else ""
    tokens = event.usage.input + event.usage.cache_read + event.usage.cache_write
    return f"{_understood(event)}{drafted} [{event.model}, {tokens} in, {event.usage.output} out{cost}]"


def _moved(event: conversation.ProcessMoved) -> str:
    return f"{event.from_state} → {event.to_state} by {event.trigger.type} {event.trigger.value}"


def _told(event: business.EventReceived) -> str:
    happened = f", happened at {event.happened_at.isoformat(timespec='minutes')}" if event.happened_at else ""
    return f"{event.event_name} as {event.external_id}{happened}"


def _slot(event: dialogue.SlotFilled) -> str:
    words = f" (from {quoted(event.words)})" if event.words else ""
    return f"{event.slot} = {event.value}{words}" + (", corrected" if event.corrected else "")


def _timer(event: conversation.TimerSet) -> str:
    what = event.name or event.purpose if event.purpose == "check" else event.purpose
    return f"{what} at {event.due_at.isoformat(timespec='minutes')}"


def _accepted(event: message.Accepted) -> str:
    cost = f", {event.cost.micros / 1e6:.3f} {event.cost.currency}" if event.cost else ""
    return f"{event.channel} took it ({(event.provider_id or event.provider_ref)[:24]}…{cost})"


TELLERS: dict[type[Event], Teller] = {
    business.EventReceived: _told,
    operator.FollowupTriggered: lambda event: f"by hand: {quoted(event.reason)}",
    operator.TriggerGiven: lambda event: f"by hand: {event.trigger_type} {event.trigger_value}",
    operator.TakeoverRequested: lambda event: f"by {event.operator}",
    operator.ReplyGiven: lambda event: f"{event.operator}: {quoted(event.content)}",
    operator.Released: lambda event: f"by {event.operator}",
    rules.Evaluated: _evaluated,
    contact.Registered: lambda event: f"{event.profile.name}, {event.profile.organization or 'no organization'}",
    contact.NotFound: lambda event: event.reason,
    consent.Given: lambda event: f"on {event.channel or 'every channel'}, in the words {quoted(event.evidence)}",
    consent.Withdrawn: lambda event: f"stop ({event.how})",
    followup.Opened: lambda event: f"{event.reason} [{event.origin}, {event.priority}, {event.dedupe_key or 'no key'}]",
    followup.Declined: lambda event: f"{event.rule_id}: {event.reason}",
    followup.Scheduled: lambda event: f"not before {event.due_at.isoformat(timespec='minutes')}",
    followup.ContactRequested: lambda event: f"who is {event.contact_id}?",
    followup.AttemptStarted: _attempt,
    followup.AttemptUnanswered: lambda event: f"attempt {event.number} on {event.channel}: {event.reason}",
    followup.Deferred: _deferred,
    followup.Resolved: lambda event: f"{event.outcome}" + (f" ({event.state})" if event.state else ""),
    followup.Exhausted: _exhausted,
    followup.Cancelled: lambda event: event.reason,
    operator.ErasureRequested: lambda event: f"{event.operator} asks to erase {event.contact_id}",
    contact.ErasureFailed: lambda event: f"{event.contact_id} could not be erased: {event.reason}",
    contact.Erased: lambda event: f"every key of {event.contact_id} is destroyed",
    conversation.Opened: lambda event: (
        f"with {event.contact_id}" + (f", follows {event.follows}" if event.follows else "")
    ),
    followup.Joined: lambda event: f"conversation {event.conversation}",
    config.Published: lambda event: f"bundle {event.bundle[:12]}",
    timer.Fired: lambda event: f"wakes {event.stream.partition('-')[0]}",
    conversation.ProcessBound: lambda event: f"{event.process_type or 'no process'} {event.entity_id or ''}".rstrip(),
    conversation.ChannelSwitched: lambda event: f"to {event.channel}: {event.reason}",
    conversation.FlowStarted: lambda event: event.flow,
    conversation.StepEntered: lambda event: f"{event.flow}.{event.step}",
    conversation.FlowEnded: lambda event: event.flow,
    dialogue.SlotAsked: lambda event: event.slot,
    dialogue.SlotFilled: _slot,
    dialogue.SlotRefused: lambda event: f"{event.slot}: {event.reason}",
    dialogue.PlanStarted: lambda event: f"{event.flow}.{event.step}",
    dialogue.PlanChose: lambda event: event.tool + (f", refused: {event.refused}" if event.refused else ""),
    dialogue.ApprovalRequested: lambda event: f"may {event.tool} be called?",
    dialogue.ApprovalHeard: lambda event: f"{event.operator} said {'yes' if event.approved else 'no'}",
    dialogue.PlanEnded: lambda event: event.how + (f": {quoted(event.summary)}" if event.summary else ""),
    operator.ApprovalGiven: lambda event: f"{event.operator}: {'yes' if event.approved else 'no'}",
    dialogue.CollectEnded: lambda event: event.how + (f" ({event.slot})" if event.slot else ""),
    dialogue.Migrated: lambda event: f"{event.from_bundle[:12]} → {event.to_bundle[:12]}",
    dialogue.MigrationRefused: lambda event: event.reason,
    config.MigrationRequested: lambda event: f"to bundle {event.bundle[:12]}",
    errand.ToolRequested: lambda event: f"{event.endpoint} for {event.result_key}",
    conversation.ToolAnswered: lambda event: f"{event.result_key} {'answered' if event.ok else 'failed'}",
    conversation.TakenOver: lambda event: f"by {event.operator}",
    conversation.Released: lambda event: f"by {event.operator}",
    conversation.AutomaticHeard: lambda event: f"{event.automatic} on {event.channel}",
    conversation.ContactSaid: lambda event: f"on {event.channel}: {quoted(event.text)}",
    conversation.TurnRequested: lambda event: f"{event.wants}, for step {event.step or '-'}",
    conversation.Understood: _understood,
    person.PersonHeard: lambda event: f"{event.verdict} on {event.channel}",
    person.LineLeftOut: lambda event: event.reason,
    reach.PersonConfirmed: lambda event: f"on {event.channel}, in the words {quoted(event.evidence)}",
    reach.PersonDenied: lambda event: f"somebody else on {event.channel}: {quoted(event.evidence)}",
    reach.AwayTold: lambda event: f"until {event.until}: {quoted(event.evidence)}",
    reach.AddressFailed: lambda event: f"on {event.channel}: {event.reason}",
    reach.AddressWorks: lambda event: f"on {event.channel}",
    reach.ConfirmationVoided: lambda event: f"on {event.channel}: {event.reason}",
    conversation.DraftDropped: lambda event: event.reason,
    conversation.ProcessMoved: _moved,
    conversation.OutcomeHeard: lambda event: event.outcome,
    conversation.MatterSettled: lambda event: event.how,
    conversation.GateClosed: lambda event: f"{event.scope}: {event.reason}",
    conversation.Escalated: lambda event: event.reason,
    conversation.TimerSet: _timer,
    conversation.MessageRequested: _message,
    errand.WritebackRequested: lambda event: f"{event.endpoint} ({event.why})",
    conversation.Closed: lambda event: event.reason,
    turn.Completed: _completed,
    turn.Withheld: lambda event: event.reason,
    turn.Failed: lambda event: event.reason,
    message.Accepted: _accepted,
    message.Rejected: lambda event: f"{event.code}: {event.reason}",
    message.Withheld: lambda event: event.reason,
    message.OutcomeUnknown: lambda event: event.reason,
    message.Delivered: lambda event: f"on {event.channel}",
    message.Read: lambda event: f"on {event.channel}",
    message.Failed: lambda event: f"{event.code}: {event.reason}",
    message.Bounced: lambda event: f"{'for good' if event.permanent else 'for now'}: {event.reason}",
    message.Priced: lambda event: f"{event.cost.micros / 1e6:.3f} {event.cost.currency}",
    inbound.FetchFailed: lambda event: event.reason,
    inbound.Unsubscribed: lambda event: f"on {event.channel} by {event.how}",
    inbound.Received: lambda event: f"on {event.channel}: {quoted(event.text)}",
    inbound.StatusReceived: lambda event: f"{event.channel} says {event.status}",
    backend.FollowupDiscovered: lambda event: f"{event.erp_id}: {quoted(event.reason)}",
    backend.CallCompleted: lambda event: f"{event.endpoint}: HTTP {event.status}",
    backend.CallFailed: lambda event: f"{event.endpoint}: {event.reason}",
    **narrate_calls.TELLERS,
}
"""How each fact is told; a fact without a teller is told by its name alone."""
