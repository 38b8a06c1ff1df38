"""Meaning: which matter each thing that Claude understood is about, so that two matters of one contact do not mix."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from events import turn
from events.conversation import Understood
from libs.domain import statemap
from libs.domain.lines import Turn
from libs.domain.matter import Matter
from services.orchestrator import focus, together
from services.orchestrator.settling import map_of
from services.orchestrator.story import Story


@dataclass(frozen=True, slots=True)
class Meaning:
    """The matter that the messages are `about`, and whose each intent is, in Claude's order; None: nobody's.

    `too`: the matters of the message that was answered that it is about as well, each with its intents.
    """

    about: str | None
    intents: tuple[tuple[str, str | None], ...] = ()
    too: dict[str, list[str]] = field(default_factory=dict)


def understood(story: Story, asked: Turn, done: turn.Completed) -> Meaning:
    """Tell what a turn has understood, once for each matter that it is about.

    An intent is of the matter that the message is about, where its process knows it at all: that it does not move there is
    no reason to move another invoice by it. What only another process knows is that one's, and so are facts that only it uses.
    """
    matters = _matters(story, asked)
    owners = {intent: _owner(story, matters, intent) for intent in done.intents}
    answers_question = bool(done.slots) or done.breaks_off
    first = next(iter(owners.values()), None)
    about = asked.matter if answers_question or first is None else first
    facts = {name: _keeper(story, matters, owners, about, name) for name in done.extracted_info}
    mates = together.meant(story, asked, about, done.extracted_info, answers_question)
    for matter in dict.fromkeys([about, *owners.values(), *facts.values()]):
        main = matter == about  # the turn is paid once, with what it is mainly about
        story.tell(
            Understood(
                turn=asked.id,
                intents=[intent for intent in done.intents if owners[intent] == matter],
                matter=matter,
                extracted_info=_of(done.extracted_info, facts, matter),
                words={name: words for name, words in done.words.items() if facts.get(name, about) == matter},
                language=done.language,
                sentiment=done.sentiment,
                opt_out=done.opt_out,
                slots=done.slots if main else {},
                breaks_off=done.breaks_off and main,
                tokens=tokens(done) if main else 0,
                cost=done.cost if main else None,
            )
        )
    too: dict[str, list[str]] = {}
    elsewhere = [*_elsewhere(story, asked, done)]
    for mate in mates:
        if mate.entity_id in done.elsewhere:
            continue  # something of its own was said of it
        too[mate.id] = [each for each, owner in owners.items() if owner == about and _knows(story, mate, each)]
        extracted = _of(done.extracted_info, facts, about)
        words = {name: said for name, said in done.words.items() if name in extracted}
        story.tell(
            Understood(
                turn=asked.id,
                intents=too[mate.id],
                matter=mate.id,
                extracted_info=extracted,
                words=words,
                language=done.language,
                sentiment=done.sentiment,
            )
        )
    return Meaning(about, (*owners.items(), *elsewhere), too)


def _elsewhere(story: Story, asked: Turn, done: turn.Completed) -> Iterator[tuple[str, str]]:
    """Tell what was said about other matters, each its own; and whose each intent is."""
    for matter in story.conversation.live:
        said = done.elsewhere.get(matter.entity_id or "")
        if not isinstance(said, dict) or matter.id == asked.matter or matter.id in asked.hides:
            continue
        intents = [intent for intent in said.get("intents", []) if _knows(story, matter, intent)]
        story.tell(
            Understood(
                turn=asked.id,
                intents=intents,
                matter=matter.id,
                extracted_info=said.get("extracted_info", {}),
                words=said.get("words", {}),
                language=done.language,
                sentiment=done.sentiment,
            )
        )
        yield from ((intent, matter.id) for intent in intents)


def tokens(done: turn.Completed) -> int:
    """What a turn took of a conversation's budget, cached ones too."""
    used = done.usage
    return used.input + used.output + used.cache_read + used.cache_write


def turn_about(asked: Turn, about: str | None) -> Turn:
    """The turn as one about the matter that it was understood of; what it wrote was for no step of that one."""
    return asked if about == asked.matter else replace(asked, matter=about, step=None)


def _matters(story: Story, asked: Turn) -> list[Matter]:
    """The matter that was asked about, even a settled one, then the live ones."""
    own = story.conversation.matters.get(asked.matter or "")
    others = [matter for matter in focus.in_focus(story) if own is None or matter.id != own.id]
    return [*([own] if own is not None else []), *others]


def _owner(story: Story, matters: list[Matter], intent: str) -> str | None:
    return next((each.id for each in matters if _knows(story, each, intent)), None)


def _knows(story: Story, matter: Matter, intent: str) -> bool:
    state_map = map_of(story, matter)
    return state_map is not None and statemap.knows_intent(state_map, intent)


def _keeper(
    story: Story, matters: list[Matter], owners: dict[str, str | None], about: str | None, fact: str
) -> str | None:
    """Whose a fact is: where several matters are spoken of, that of the first whose process uses it."""
    meant = {about, *owners.values()} - {None}
    if len(meant) < 2:
        return about
    uses = ((each, map_of(story, each)) for each in matters if each.id in meant)
    return next((each.id for each, state_map in uses if state_map and statemap.wants(state_map, fact)), about)


def _of(facts: dict[str, Any], keepers: dict[str, str | None], matter: str | None) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if keepers[name] == matter}
