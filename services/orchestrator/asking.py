"""Asking for slots: which are offered to Claude, which one is asked for next, and in which words."""

from events.dialogue import SlotAsked
from events.values import Choice, SlotOffer
from libs.domain import dialogue
from libs.domain.flow import AnyStep, Collect, Flow, Generate
from libs.domain.matter import Matter
from libs.domain.slots import Ask, GiveUp, Slot, next_ask
from libs.domain.templates import TemplateFailed, render_strict
from services.orchestrator.story import Story

PROMPT = """\
You need some facts from the contact and ask for them, one question at a time. They stand in <slots>; those with a value \
are known. Take over whatever the messages answer or correct, also what was not asked yet. Answer what the contact asks \
besides, in few words. Then, if a required one is still open, ask for the first such one as its "ask" says, in the \
language they write; if none is open, thank them in one short sentence."""
BUTTONS, BUTTON = 3, 20
"""How many choices are buttons, and how many characters one holds: the least that a channel allows (WhatsApp)."""
ROWS, ROW = 10, 24
"""The same for the rows of a list."""
AGAIN = "What they gave for {slot} does not do ({reason}): say so politely, and ask for it again."


def offers(story: Story, matter: Matter | None) -> list[SlotOffer]:
    """The slots that the contact may fill at the step where a matter stands, or correct since they filled them."""
    flow, step = story.at(matter.id if matter else None)
    if matter is None or flow is None:
        return []
    offered = [_offer(story, matter, slot) for slot in step.slots] if isinstance(step, Collect) else []
    names = {offer.name for offer in offered}
    for name, asked_at in dialogue.slot_steps(flow).items():
        filled = matter.course.slots.get(name)
        if name not in names and filled is not None and filled.flow == flow.id:
            slot = next(each for each in asked_at.slots if each.name == name)
            offered.append(_offer(story, matter, slot))
    return offered


def todo(matter: Matter, step: Collect) -> Ask | GiveUp | None:
    """What the step has to do next."""
    return next_ask(step.slots, matter.course.slots.keys(), matter.course.asks, step.max_asks)


def words_of(matter: Matter, step: Collect) -> Generate:
    """The step as something that Claude writes."""
    again = [
        AGAIN.format(slot=slot, reason=reason).replace("{{", "{ {").replace("{%", "{ %")
        for slot, reason in matter.course.refused.items()
    ]
    return Generate(
        id=step.id,
        goto=step.goto,
        system_prompt="\n".join([PROMPT, *again]),
        templates=step.templates,
        max_words=step.max_words,
        on_error=step.on_error,
    )


def choices(story: Story, matter: Matter | None) -> list[Choice]:
    """What may be pressed instead of written, where the question that is open now has choices that fit on buttons or a list."""
    _, step = story.at(matter.id if matter else None)
    asks = todo(matter, step) if matter is not None and isinstance(step, Collect) else None
    if not isinstance(asks, Ask) or asks.slot.type != "choice":
        return []
    fits = BUTTON if len(asks.slot.choices) <= BUTTONS else ROW
    if len(asks.slot.choices) > ROWS or any(len(each) > fits for each in asks.slot.choices):
        return []
    return [Choice(id=each, title=each) for each in asks.slot.choices]


def note(story: Story, matter: str, flow: Flow, step: Collect, slot: Slot) -> None:
    """The contact is asked for this slot now."""
    story.tell(SlotAsked(matter=matter, flow=flow.id, step=step.id, slot=slot.name))


def plain_question(story: Story, matter: Matter, step: AnyStep | None) -> str | None:
    """The bundle's own question for what is open, for when Claude cannot write."""
    slot = next(
        (slot for slot in (step.slots if isinstance(step, Collect) else ()) if slot.name not in matter.course.slots),
        None,
    )
    return _question(story, matter, slot) if slot else None


def _offer(story: Story, matter: Matter, slot: Slot) -> SlotOffer:
    filled = matter.course.slots.get(slot.name)
    return SlotOffer(
        name=slot.name,
        type=slot.type,
        required=slot.required,
        choices=list(slot.choices),
        ask=_question(story, matter, slot),
        value=filled.value if filled else None,
    )


def _question(story: Story, matter: Matter, slot: Slot) -> str | None:
    try:
        return render_strict(slot.ask, story.names(matter)) if slot.ask else None
    except TemplateFailed:
        return None
