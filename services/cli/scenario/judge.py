"""Judging what came of a scenario: each expectation that was not met, and what breaks rules that hold for all. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from events.base import Recorded
from events.consent import Withdrawn
from events.conversation import ContactSaid, Escalated, MessageRequested, ProcessBound, ProcessMoved, Understood
from events.errand import ToolRequested, WritebackRequested
from events.followup import Cancelled, Exhausted, Resolved
from events.message import Accepted, Rejected, Withheld
from events.turn import Completed
from libs.config.scenario import Called, Expect, Limits, Never, Sent
from libs.domain.flow import Collect, Generate
from libs.domain.policy import within_hours
from services.cli.scenario.play import Played

Facts = Sequence[Recorded[Any]]
WINDOW = timedelta(hours=24)
SETTLED = (Resolved, Exhausted, Cancelled)


def differences(played: Played) -> list[str]:
    """What is otherwise than it should be, in the order of the story; empty where all is well."""
    found: list[str] = []
    facts = played.facts
    for place, step in enumerate(played.scenario.story):
        if place + 1 >= len(played.marks):
            break
        since, upto = played.marks[place], played.marks[place + 1]
        where = f"after step {place + 1} (line {step.line})"
        found += [f"{where}: {each}" for each in _unmet(step.expect, facts[since:upto], facts[:upto], played)]
    if played.broken is not None:
        found.append(f"it broke: {played.broken}")
    found += [f"at the end: {each}" for each in _unmet(played.scenario.expect, facts, facts, played)]
    found += [each for never in played.scenario.never for each in _happened(never, facts)]
    found += _over(played.scenario.limits, facts)
    found += _manners(played)
    return found


def _unmet(expect: Expect, new: Facts, all_of: Facts, played: Played) -> Iterator[str]:
    matter = _matter(all_of, expect.matter, played.scenario.process)
    state = _state(all_of, matter)
    if expect.state is not None and state != expect.state:
        yield f"the state should be {expect.state}, and is {state}"
    if expect.states and (states := _states(all_of, matter)) != list(expect.states):
        yield f"the states should be {' → '.join(expect.states)}, and were {' → '.join(states)}"
    if expect.outcome is not None and (fate := _fate(all_of, matter)) != expect.outcome:
        yield f"the follow-up should be {expect.outcome}, and is {fate}"
    said = [each for each in _events(new, Understood) if expect.matter is None or each.matter == matter]
    intents = [intent for each in said for intent in each.intents]
    for intent in expect.intents:
        if intent not in intents:
            yield f"the intent {intent} should be understood; there were {', '.join(intents) or 'none'}"
    known = {name: value for each in said for name, value in each.extracted_info.items()}
    known |= {name: value for each in said for name, value in each.slots.items()}
    for name, value in expect.info.items():
        if _text(known.get(name)) != _text(value):
            yield f"{name} should be understood as {_text(value)}; it was {_text(known.get(name))}"
    quoted = {name: words for each in said for name, words in each.words.items()}
    for name, words in expect.words.items():
        if words.lower() not in str(quoted.get(name, "")).lower():
            yield f"{name} should come from the words {words!r}; it came from {quoted.get(name)!r}"
    calls = _events(new, ToolRequested | WritebackRequested)
    yield from _missing(expect.tools, calls, _is_call, lambda call: f"{call.endpoint} {dict(call.payload)}", "call")
    sent = _events(new, MessageRequested)
    yield from _missing(expect.messages, sent, _is_sent, _shown, "message")
    if expect.silent and sent:
        yield f"nothing should be said, and this was: {_shown(sent[0])}"
    queues = [each.queue for each in _events(new, Escalated)]
    if expect.queue is not None and expect.queue not in queues:
        yield f"a person of {expect.queue} should be called; there was {', '.join(map(str, queues)) or 'nobody'}"
    if expect.stopped is not None and bool(_events(all_of, Withdrawn)) != expect.stopped:
        yield f"the contact should {'have' if expect.stopped else 'not have'} been understood to say stop"


def _missing(
    wanted: Iterable[Any],
    there: Sequence[Any],
    fits: Callable[[Any, Any], bool],
    show: Callable[[Any], str],
    what: str,
) -> Iterator[str]:
    """Each wanted thing must be there, after the one before it."""
    rest = list(there)
    for each in wanted:
        place = next((n for n, one in enumerate(rest) if fits(each, one)), None)
        if place is None:
            listed = "; ".join(map(show, there)) or "none"
            yield f"there is no {what} like {_asked(each)}; there were: {listed}"
            return
        rest = rest[place + 1 :]


def _asked(each: Called | Sent) -> str:
    if isinstance(each, Called):
        return f"{each.endpoint} {dict(each.payload) or ''}".strip()
    parts = {"channel": each.channel, "template": each.template, "contains": each.contains, "purpose": each.purpose}
    return ", ".join(f"{name} {value!r}" for name, value in parts.items() if value is not None)


def _is_call(wanted: Called, call: ToolRequested | WritebackRequested) -> bool:
    payload = {name: _text(value) for name, value in call.payload.items()}
    return wanted.endpoint == call.endpoint and all(payload.get(k) == _text(v) for k, v in wanted.payload.items())


def _is_sent(wanted: Sent, sent: MessageRequested) -> bool:
    return (
        wanted.channel in (None, sent.channel)
        and wanted.template in (None, sent.body.template)
        and wanted.purpose in (None, sent.purpose)
        and (wanted.contains is None or wanted.contains.lower() in sent.body.text.lower())
    )


def _shown(sent: MessageRequested) -> str:
    template = f", template {sent.body.template}" if sent.body.template else ""
    return f"[{sent.channel}{template}] {sent.body.text}"


def _happened(never: Never, facts: Facts) -> Iterator[str]:
    for fact in facts:
        event = fact.event
        if never.until is not None and isinstance(event, ProcessMoved) and event.to_state == never.until:
            return
        match event:
            case MessageRequested():
                done = (
                    (never.kind == "says" and never.value.lower() in event.body.text.lower())
                    or (never.kind == "template" and never.value == event.body.template)
                    or (never.kind == "channel" and never.value == event.channel)
                )
            case ToolRequested() | WritebackRequested():
                done = never.kind == "tool" and never.value == event.endpoint
            case ProcessMoved():
                done = never.kind == "state" and never.value == event.to_state
            case Understood():
                done = never.kind == "intent" and never.value in event.intents
            case _:
                done = False
        if done:
            until = f" before the state {never.until}" if never.until else ""
            said = f": {_shown(event)}" if isinstance(event, MessageRequested) else ""
            yield f"it must not happen{until}, and did: {never.kind} {never.value!r}{said}"
            return


def _over(limits: Limits, facts: Facts) -> Iterator[str]:
    sent = _events(facts, MessageRequested)
    turns = _events(facts, Completed)
    tokens = sum(
        each.usage.input + each.usage.output + each.usage.cache_read + each.usage.cache_write for each in turns
    )
    longest = max(sent, key=lambda each: len(each.body.text.split()), default=None)
    if limits.words is not None and longest is not None and len(longest.body.text.split()) > limits.words:
        yield f"a message has more than {limits.words} words: {_shown(longest)}"
    for what, limit, number in (
        ("messages", limits.messages, len(sent)),
        ("turns with Claude", limits.turns, len(turns)),
        ("tokens", limits.tokens, tokens),
    ):
        if limit is not None and number > limit:
            yield f"at most {limit} {what} are allowed, and there were {number}"
    spent = money(facts)
    for currency, limit in limits.money.items():
        if spent.get(currency, 0.0) > limit:
            yield f"at most {limit} minor units of {currency} may be spent, and {spent[currency]:.2f} were"


def money(facts: Facts) -> Mapping[str, float]:
    """What Claude and the messages cost, in minor units by currency."""
    spent: dict[str, float] = {}
    for each in _events(facts, Completed | Accepted):
        if each.cost is not None:
            spent[each.cost.currency] = spent.get(each.cost.currency, 0.0) + each.cost.micros / 10_000
    return spent


def _manners(played: Played) -> Iterator[str]:
    """What holds in every scenario: hours, windows, a stop that is obeyed, and no more words than the step allows."""
    unsaid = {fact.subject_id for fact in played.facts if isinstance(fact.event, Rejected | Withheld)}
    heard: dict[str, datetime] = {}
    stopped = False
    for fact in played.facts:
        event, at = fact.event, fact.envelope.occurred_at
        if isinstance(event, ContactSaid):
            heard[event.channel] = at
        elif isinstance(event, Withdrawn) and event.channel is None:
            stopped = True
        elif isinstance(event, MessageRequested) and event.message not in unsaid:
            yield from _ill_mannered(event, at, heard, stopped, played)


def _ill_mannered(
    event: MessageRequested, at: datetime, heard: Mapping[str, datetime], stopped: bool, played: Played
) -> Iterator[str]:
    bundle = played.bundle
    if stopped:
        yield f"something was said after the contact said stop: {_shown(event)}"
    policy = bundle.policy
    purpose = event.allowed_by.purpose
    allowed = within_hours(policy, channel=event.channel, purpose=purpose, at=at, zone=policy.timezone)
    if event.purpose == "approach" and not allowed:
        yield f"the contact was approached at {at:%d %b %H:%M}, when the policy forbids it: {_shown(event)}"
    inside = event.channel in heard and at - heard[event.channel] <= WINDOW
    if event.channel == "whatsapp" and event.body.template is None and not inside:
        yield f"free words were said outside WhatsApp's window of 24 hours: {_shown(event)}"
    if event.channel == "sms" and event.body.template is None:
        yield f"an SMS that is not registered: {_shown(event)}"
    most = _most_words(event, played)
    if most is not None and event.body.template is None and len(event.body.text.split()) > most:
        yield f"the step {event.step} allows {most} words: {_shown(event)}"


def _most_words(event: MessageRequested, played: Played) -> int | None:
    for flow in played.bundle.flows.values():
        for step in flow.steps:
            if event.draft is not None and step.id == event.step and isinstance(step, Generate | Collect):
                return step.max_words
    return None


def _matter(facts: Facts, entity: str | None, process: str) -> str | None:
    for bound in _events(facts, ProcessBound):
        if bound.entity_id == entity if entity is not None else bound.process_type == process:
            return str(bound.matter)
    return None


def _states(facts: Facts, matter: str | None) -> list[str]:
    states: list[str] = []
    for event in _events(facts, ProcessBound | ProcessMoved):
        now = event.state if isinstance(event, ProcessBound) else event.to_state
        if event.matter == matter and now is not None and states[-1:] != [now]:
            states.append(now)
    return states


def _state(facts: Facts, matter: str | None) -> str | None:
    return next(reversed(_states(facts, matter)), None)


def _fate(facts: Facts, matter: str | None) -> str:
    for fact in reversed(facts):
        if isinstance(fact.event, SETTLED) and fact.subject_id == matter:
            return type(fact.event).__name__.lower()
    return "open" if matter is not None else "not there"


def _events(facts: Facts, kind: Any) -> list[Any]:
    return [fact.event for fact in facts if isinstance(fact.event, kind)]


def _text(value: Any) -> str:
    text = str(value)
    return text.removesuffix(".0") if text.replace(".", "", 1).isdigit() else text
