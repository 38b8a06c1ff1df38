"""scenarios/**/*.yaml: one story a file."""

from datetime import datetime
from typing import get_args

from libs.config.fields import Fields, kind_of
from libs.config.findings import Findings, suggest
from libs.config.model import CHANNELS
from libs.config.scenario import (
    EVERYWHERE,
    SOON_S,
    Called,
    Event,
    Expect,
    Fate,
    Language,
    Limits,
    Never,
    NeverKind,
    Persona,
    Scenario,
    Sent,
    Step,
)
from libs.config.tree import Node

MONDAY = "2026-02-16T10:30"
KINDS: tuple[NeverKind, ...] = ("says", "tool", "state", "template", "channel", "intent")
DOES = ("says", "waits", "event", "pays", "books", "operator")


def parse_scenario(name: str, node: Node, found: Findings) -> Scenario:
    """The story of a file."""
    fields = Fields(node, found, "a scenario")
    event = fields.child("event")
    scenario = Scenario(
        name=name,
        file=node.file,
        about=fields.need("about", like="what this person is like, in a sentence"),
        process=fields.need("process"),
        language=_language(fields),
        persona=_persona(fields.child("persona", required=True, like="{name: …}"), found),
        starts=_starts(fields),
        event=_event(event, found) if event is not None else None,
        books=fields.data_map("books"),
        story=tuple(_step(each, found) for each in fields.items("story")),
        expect=_expect(fields.child("expect", required=True, like="{outcome: …}"), found),
        never=tuple(_never(each, found) for each in fields.items("never")),
        limits=_limits(fields.child("limits"), found),
    )
    fields.finish()
    return scenario


def _language(fields: Fields) -> Language:
    known: tuple[Language, ...] = get_args(Language)
    chosen = fields.choice("language", known, required=True)
    return next((each for each in known if each == chosen), "en")


def _persona(node: Node | None, found: Findings) -> Persona:
    if node is None:
        return Persona(name="")
    fields = Fields(node, found, "a persona")
    channels = _channels(fields, "channels") or EVERYWHERE
    persona = Persona(
        name=fields.need("name"),
        organization=fields.text("organization") or "",
        channels=channels,
        agreed=_channels(fields, "agreed") if fields.has("agreed") else channels,
        unreachable=_channels(fields, "unreachable"),
    )
    fields.finish()
    return persona


def _channels(fields: Fields, key: str) -> tuple[str, ...]:
    for node in fields.items(key) if fields.has(key) else ():
        if node.text not in CHANNELS:
            fields.found.error(node, f"{node.text!r} is no channel", suggest(node.text, CHANNELS))
    return fields.texts(key) if fields.has(key) else ()


def _starts(fields: Fields) -> datetime:
    text = fields.text("starts") or MONDAY
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is not None:
        fields.found.error(
            fields.node.at("starts"), f"{text!r} is no day and time", f"write {MONDAY}; the zone is the policy's"
        )
        return datetime.fromisoformat(MONDAY)
    return at


def _event(node: Node, found: Findings) -> Event:
    fields = Fields(node, found, "an event")
    event = Event(name=fields.need("name"), data=fields.data_map("data"))
    fields.finish()
    return event


def _step(node: Node, found: Findings) -> Step:
    fields = Fields(node, found, "a step of the story")
    done = [key for key in DOES if fields.has(key)]
    if len(done) != 1:
        found.error(node, f"a step says or does one thing, not {len(done)}", f"one of {', '.join(DOES)}")
    after, waits = fields.duration("after"), fields.duration("waits")
    channel = fields.choice("on", CHANNELS)
    pays = fields.child("pays")
    event = fields.child("event")
    step = Step(
        after_s=SOON_S if after is None else after,
        says=fields.text("says"),
        channel=channel,
        waits_s=waits,
        event=_event(event, found) if event is not None else None,
        pays=_payment(pays, found) if pays is not None else None,
        books=fields.data_map("books"),
        by_hand=fields.text("operator"),
        expect=_expect(fields.child("expect"), found),
        line=node.line,
    )
    fields.finish()
    return step


def _payment(node: Node, found: Findings) -> tuple[str, int | None]:
    fields = Fields(node, found, "a payment")
    payment = fields.need("entity"), fields.whole("amount", minimum=1)
    fields.finish()
    return payment


def _expect(node: Node | None, found: Findings) -> Expect:
    if node is None:
        return Expect()
    fields = Fields(node, found, "an expectation")
    fates: tuple[Fate, ...] = get_args(Fate)
    outcome = fields.choice("outcome", fates)
    expect = Expect(
        matter=fields.text("matter"),
        state=fields.text("state"),
        states=fields.texts("states") if fields.has("states") else (),
        outcome=next((each for each in fates if each == outcome), None),
        intents=fields.texts("intents") if fields.has("intents") else (),
        info=fields.data_map("info"),
        words=fields.text_map("words"),
        tools=tuple(_called(each, found) for each in fields.items("tools")) if fields.has("tools") else (),
        messages=tuple(_sent(each, found) for each in fields.items("messages")) if fields.has("messages") else (),
        silent=fields.flag("silent") or False,
        queue=fields.text("queue"),
        stopped=fields.flag("stopped"),
    )
    fields.finish()
    return expect


def _called(node: Node, found: Findings) -> Called:
    if node.kind == "scalar":
        return Called(endpoint=node.text)
    fields = Fields(node, found, "a call")
    called = Called(endpoint=fields.need("endpoint"), payload=fields.data_map("payload"))
    fields.finish()
    return called


def _sent(node: Node, found: Findings) -> Sent:
    fields = Fields(node, found, "a message")
    sent = Sent(
        channel=fields.choice("channel", CHANNELS),
        template=fields.text("template"),
        contains=fields.text("contains"),
        purpose=fields.choice("purpose", ("approach", "answer", "operator")),
    )
    fields.finish()
    return sent


def _never(node: Node, found: Findings) -> Never:
    fields = Fields(node, found, "what must not happen")
    named = [key for key in KINDS if fields.has(key)]
    if len(named) != 1:
        found.error(node, f"name one thing that must not happen, not {len(named)}", f"one of {', '.join(KINDS)}")
    texts = {key: fields.text(key) for key in KINDS}
    kind = next((key for key in KINDS if texts[key]), KINDS[0])
    never = Never(kind=kind, value=texts[kind] or "", until=fields.text("until"))
    fields.finish()
    return never


def _limits(node: Node | None, found: Findings) -> Limits:
    if node is None:
        return Limits()
    fields = Fields(node, found, "limits")
    money: dict[str, int] = {}
    for currency, amount in fields.children("money").items():
        if isinstance(amount.value, bool) or not isinstance(amount.value, int):
            found.error(amount, f"money is in whole minor units, not {kind_of(amount)}", "write paise, cents, …: 250")
        else:
            money[currency] = amount.value
    limits = Limits(
        words=fields.whole("words", minimum=1),
        messages=fields.whole("messages"),
        turns=fields.whole("turns"),
        tokens=fields.whole("tokens"),
        money=money,
    )
    fields.finish()
    return limits
