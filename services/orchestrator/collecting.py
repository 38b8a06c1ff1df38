"""Collecting: what the contact's answers make of the slots, and where the flow goes on."""

from typing import Any

from events.dialogue import CollectEnded, SlotFilled, SlotRefused
from libs.domain import dialogue
from libs.domain.flow import Collect, Flow
from libs.domain.slots import Accepted, Ask, accept
from services.orchestrator import asking, process, speech
from services.orchestrator.story import Story


def fill(story: Story, matter: str, said: dict[str, Any], words: dict[str, Any]) -> bool:
    """Take over what was said of the slots of the flow that runs; whether an answer was corrected."""
    flow, _ = story.at(matter)
    if flow is None:
        return False
    corrected = False
    steps = dialogue.slot_steps(flow)
    for offer in asking.offers(story, story.matter(matter)):
        step = steps.get(offer.name)
        if step is None or offer.name not in said:
            continue
        now = story.matter(matter)
        slot = next(each for each in step.slots if each.name == offer.name)
        read = accept(slot, said[offer.name], story.names(now))
        where = {"matter": matter, "flow": flow.id, "step": step.id, "slot": slot.name}
        if not isinstance(read, Accepted):
            story.tell(SlotRefused(**where, reason=read.reason))
        elif offer.value != read.value:
            again = offer.value is not None
            story.tell(SlotFilled(**where, value=read.value, words=words.get(slot.name), corrected=again))
            corrected = corrected or again
    return corrected


def go_on(story: Story, matter: str, corrected: bool) -> bool:
    """After an answer: run what comes next, or ask for what is open; False where the draft that Claude wrote will do.

    A correction of what an earlier step collected runs the flow again from below that step.
    """
    flow, step = story.at(matter)
    if flow is None:
        return False
    if not isinstance(step, Collect):
        return corrected and _again(story, matter, flow)
    now = story.matter(matter)
    todo = asking.todo(now, step)
    if todo is None:
        process.run(story, matter, flow, dialogue.next_step(flow, step))
        return True
    if not isinstance(todo, Ask):
        give_up(story, matter, flow, step, todo.slot.name)
        return True
    if now.course.refused:
        process.ask(story, matter, flow, step, rereads=False)
        return True
    asking.note(story, matter, flow, step, todo.slot)
    return False


def break_off(story: Story, matter: str) -> bool:
    """The contact will not go on with the questions; False where none are asked."""
    flow, step = story.at(matter)
    if flow is None or not isinstance(step, Collect):
        return False
    story.tell(CollectEnded(matter=matter, flow=flow.id, step=step.id, how="cancelled"))
    now = story.matter(matter)
    if step.on_cancel is None and now.process_type is None and not now.course.stack:
        speech.exhaust(story, now, "the contact broke off the questions")
    else:
        process.run(story, matter, flow, dialogue.step_of(flow, step.on_cancel))
    return True


def silent(story: Story, matter: str, flow: Flow, step: Collect) -> None:
    """Nobody answered the question: ask once more, or give up."""
    todo = asking.todo(story.matter(matter), step)
    if isinstance(todo, Ask):
        process.ask(story, matter, flow, step)
    elif todo is not None:
        give_up(story, matter, flow, step, todo.slot.name)


def give_up(story: Story, matter: str, flow: Flow, step: Collect, slot: str) -> None:
    """A slot stays open although it was asked for often enough: `on_error`, else a person."""
    story.tell(CollectEnded(matter=matter, flow=flow.id, step=step.id, how="unanswered", slot=slot))
    process.fail(story, matter, flow, step.on_error, f"the contact did not answer the question for {slot}")


def _again(story: Story, matter: str, flow: Flow) -> bool:
    """Run the flow from below the last step whose slot was corrected."""
    corrected = [draft.event for draft in story.drafts if isinstance(draft.event, SlotFilled) and draft.event.corrected]
    asked_at = dialogue.step_of(flow, corrected[-1].step) if corrected else None
    if asked_at is None:
        return False
    process.run(story, matter, flow, dialogue.next_step(flow, asked_at))
    return True
