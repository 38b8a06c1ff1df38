"""Turns: what Claude understood moves the state map, and what Claude wrote is sent where it still fits."""

from datetime import timedelta
from typing import Literal

from events import turn
from events.conversation import DraftDropped, Escalated, OutcomeHeard
from events.errand import ToolRequested
from events.values import Body, Cost
from libs.domain import dialogue
from libs.domain.flow import AnyStep, Collect, Generate, Plan, Say, Wait
from libs.domain.lines import Turn
from libs.domain.matter import Matter
from libs.domain.statemap import Fired
from services.orchestrator import (
    asking,
    calling,
    collecting,
    focus,
    meaning,
    person,
    planned,
    process,
    safely,
    speech,
    stopping,
    together,
)
from services.orchestrator.approach import NoWay, find_way, purpose_of
from services.orchestrator.meaning import Meaning
from services.orchestrator.story import Story

QUIET = timedelta(seconds=1.5)
"""How long the contact must be silent before we answer several messages at once."""
SUPPRESSED_AT_MOST = 2
"""How often in a row a newer message may make us drop a draft."""


def after_turn(story: Story, done: turn.Completed, turn_id: str) -> None:
    """Claude has understood and written: the state map moves, and the conversation answers once."""
    asked = story.conversation.turn
    if asked is None or asked.id != turn_id:
        story.tell(OutcomeHeard(intent=turn_id, outcome="late", tokens=meaning.tokens(done), cost=done.cost))
        return
    matter = story.conversation.matters.get(asked.matter or "")
    newer = story.conversation.last_heard(asked.matter) > asked.upto
    meant = Meaning(asked.matter)
    if asked.identifies:
        _identified(story, asked, done)
        return
    if asked.wants == "draft":
        story.tell(OutcomeHeard(intent=turn_id, outcome="completed", tokens=meaning.tokens(done), cost=done.cost))
    else:
        meant = meaning.understood(story, asked, done)
        asked = meaning.turn_about(asked, meant.about)
    if _plans(story, asked):
        _planned(story, asked, done, turn_id)
        return
    if done.opt_out:
        stopping.understood(story)
        return
    if story.conversation.status != "open":
        _drop(story, done, turn_id, "taken_over" if story.conversation.open else "closed")
        return
    corrected = collecting.fill(story, matter.id, done.slots, done.words) if matter and not matter.settled else False
    if newer and story.conversation.suppressed < SUPPRESSED_AT_MOST:
        _drop(story, done, turn_id, "newer_message")
        story.set_timer("quiet", story.now + QUIET)
        return
    goes_on = asked.wants != "draft" and _goes_on(story, done, meant, asked, corrected)
    if _gets_nowhere(story):
        _drop(story, done, turn_id, "no_progress")
    elif goes_on and (_speaking(story) or not story.conversation.unread_about(asked.matter)):
        _drop(story, done, turn_id, "moved_on")
    else:
        _answer(story, asked, done, turn_id)
    person.note_wrong_person(story, asked, done.intents)
    _leave_nobody_out(story, asked)
    if not _speaking(story):
        understand(story, after=asked)  # what is about another matter, or came while we answered the rest after all


def _identified(story: Story, asked: Turn, done: turn.Completed) -> None:
    """Somebody said who they are, or not: nothing else is taken from it, and no word that Claude wrote is said."""
    if done.opt_out:
        stopping.understood(story)
        return
    if story.conversation.status != "open":
        story.tell(OutcomeHeard(intent=asked.id, outcome="completed"))
        return
    verdict = person.heard(story, asked, done)
    matter = story.conversation.matters.get(asked.matter or "")
    known = verdict == "confirmed" and person.stranger_of(story, asked.matter) is None
    if known and matter is not None and matter.settled is None and person.waits_for_it(story, matter):
        others = {each.id for each in story.conversation.live if each.id != matter.id and not each.asked}
        story.held |= others  # what waits at the same step is said with it
        process.resume(story, matter.id)
        story.held -= others
    if not _speaking(story):
        understand(story)


def _leave_nobody_out(story: Story, asked: Turn) -> None:
    """The matters that a turn was to write of, too, and whose words were not said."""
    turn = story.conversation.turn
    for mate in asked.merged:
        matter = story.conversation.matters.get(mate)
        waits = matter is not None and matter.settled is None and matter.step == asked.step
        if waits and not together.said_now(story, mate) and not (turn is not None and mate in turn.merged):
            process.resume(story, mate)


def _gets_nowhere(story: Story) -> bool:
    """Whether we talk in circles, perhaps with a machine: then we fall silent, and a person goes on."""
    most = story.known.current.policy.turns_without_progress
    if story.conversation.idle >= most and not story.conversation.silenced:
        reason = f"{story.conversation.idle} turns in a row have brought nothing new: is it a machine that answers?"
        story.tell(Escalated(reason=reason, matter=story.conversation.in_focus, silences=True))
    return story.conversation.silenced


def _plans(story: Story, asked: Turn) -> bool:
    """Whether a turn was to plan: its step is one that plans."""
    matter = story.conversation.matters.get(asked.matter or "")
    flow = story.flow(matter)
    return asked.wants == "draft" and isinstance(dialogue.step_of(flow, asked.step) if flow else None, Plan)


def _planned(story: Story, asked: Turn, done: turn.Completed, turn_id: str) -> None:
    """Claude has chosen what to do, unless the flow has moved on; what the contact said meanwhile is read now."""
    matter = story.conversation.matters.get(asked.matter or "")
    if matter is None or matter.settled is not None or story.conversation.status != "open":
        return
    flow, step = story.at(matter.id)
    if flow is not None and isinstance(step, Plan) and step.id == asked.step and matter.course.plan is not None:
        planned.chose(story, matter.id, flow, step, done, turn_id)
    understand(story, after=asked)


def after_failed_turn(story: Story, turn_id: str, reason: str, cost: Cost | None = None) -> None:
    """Claude could not: say the step's registered text where there is one, and call a person; never silence."""
    asked = story.conversation.turn
    story.tell(OutcomeHeard(intent=turn_id, outcome="failed", cost=cost))
    if asked is None or asked.id != turn_id or story.conversation.status != "open":
        return
    matter = story.conversation.matters.get(asked.matter or "")
    if matter is not None and _plans(story, asked):
        flow, step = story.at(matter.id)
        if flow is not None and isinstance(step, Plan) and step.id == asked.step:
            process.fail(story, matter.id, flow, step.on_error, f"Claude could not plan: {reason}")
        return
    story.tell(Escalated(reason=f"Claude could not answer: {reason}", matter=matter.id if matter else None))
    if story.conversation.last_heard(asked.matter) > asked.upto:
        understand(story)
        return
    safely.answer(story, matter, _here(story, matter), _generate(story, asked), asked)
    _leave_nobody_out(story, asked)
    understand(story, after=asked)


def after_withheld_turn(story: Story, turn_id: str) -> None:
    """The turn was no longer wanted; what the contact said meanwhile still wants an answer."""
    asked = story.conversation.turn
    story.tell(OutcomeHeard(intent=turn_id, outcome="withheld"))
    now = story.conversation
    if now.status != "open" or now.turn is not None or story.known.consent.stopped:
        return
    understand(story)
    matter = now.matters.get(asked.matter or "") if asked and asked.id == turn_id else None
    if matter is not None and matter.settled is None and not matter.asked and not now.unread_about(matter.id):
        process.resume(story, matter.id)


def understand(story: Story, *, after: Turn | None = None) -> None:
    """Ask Claude what the unread messages about one matter mean, at the step that waits for them.

    What is about another one is read next. Files that come are waited for. `after` a turn: what nobody has looked at yet.
    """
    now = story.conversation
    if now.status != "open" or now.turn is not None or now.silenced or (after is not None and now.quiet):
        return
    if calling.has_floor(story):
        return  # what is written meanwhile is told to the call
    for line in now.unread:
        about = now.about(line)
        seen = after is not None and (line.understood or now.was_read(line, after))
        if not seen and not any(each.pending for each in now.unread_about(about)):
            stranger = person.stranger_of(story, about)
            if stranger is not None:
                person.listen(story, about, stranger)
            else:
                _read(story, about)
            return


def _read(story: Story, about: str | None) -> None:
    matter = story.conversation.matters.get(about or "")
    if (matter is None or matter.settled is not None) and len(story.conversation.unread_about(about)) == 1:
        which = "no matter is open with them" if matter is None else "the matter is settled"
        story.tell(Escalated(reason=f"the contact wrote, and {which}", matter=about))
    step = _words(story, matter)
    if not safely.within_budget(story, matter, step, _here(story, matter)):
        return
    channel = next((line.channel for line in reversed(story.conversation.unread_about(about))), "")
    hides = person.hidden(story, channel, story.address(channel, answering=True) or "")
    offered = focus.intents(story, matter, hides)
    speech.ask_claude(story, matter, step, "both", offered, asking.offers(story, matter), hides)


def _goes_on(story: Story, done: turn.Completed, meant: Meaning, asked: Turn, corrected: bool) -> bool:
    """Let the state map, the questions and the flow go on by what was understood; False where the draft is the answer."""
    before = story.conversation.matters.get(asked.matter or "")
    moved = _move(story, meant)
    now = story.conversation.matters.get(asked.matter or "")
    if before is None or now is None or now.settled is not None or (before.flow, before.step) != (now.flow, now.step):
        return moved
    if done.breaks_off and collecting.break_off(story, now.id):
        return True
    if isinstance(story.at(now.id)[1], Collect) or corrected:
        return collecting.go_on(story, now.id, corrected) or moved
    return moved or _replied(story, asked)


def _move(story: Story, meant: Meaning) -> bool:
    """Give each intent to its matter; the flow that was answered goes on.

    What was said of several matters together is answered together: the others move first and hold their words back.
    """
    story.held |= meant.too.keys()
    for mate, intents in meant.too.items():
        for intent in intents:
            give(story, mate, intent)
    moved = [give(story, matter, intent) for intent, matter in meant.intents if matter is not None]
    story.held -= meant.too.keys()
    for mate in meant.too:
        speak_alone(story, mate)
    return any(moved)


def give(story: Story, matter: str, intent: str) -> bool:
    """Give an intent to a matter: its process may move, and the flow that was answered goes on."""
    before = story.matter(matter)
    moved = process.fire(story, matter, Fired("intent", intent))
    if moved is None:
        return False
    after = story.matter(matter)
    step = story.at(matter)[1]
    waits = (before.asked or isinstance(step, Wait)) and not isinstance(step, Collect)
    stays = (before.flow, before.step) == (after.flow, after.step) and not process.started_flow(moved)
    if after.settled is None and stays and waits:
        process.go_on(story, matter)
    return True


def speak_alone(story: Story, matter: str) -> None:
    """A matter that was to be spoken of with another one, and was not, speaks for itself."""
    now = story.conversation.matters.get(matter)
    if now is None or now.settled is not None or now.asked or together.said_now(story, matter):
        return
    if isinstance(story.at(matter)[1], Say | Generate | Collect):
        process.resume(story, matter)


def _replied(story: Story, asked: Turn) -> bool:
    """Any reply ends a `wait`; in a matter without a process, and in an aside, it ends the step that spoke, too."""
    matter = story.conversation.matters.get(asked.matter or "")
    if matter is None or matter.settled is not None:
        return False
    _, step = story.at(matter.id)
    any_reply = matter.process_type is None or focus.interrupts(story, matter.id)
    spoke = isinstance(step, Generate) and any_reply and asked.step == matter.step
    if not (spoke or isinstance(step, Wait)):
        return False
    process.go_on(story, matter.id)
    return True


def _speaking(story: Story) -> bool:
    """Whether somebody is about to answer what is unread: Claude for the next step, or a tool before it."""
    now = story.conversation
    return now.turn is not None or any(isinstance(draft.event, ToolRequested) for draft in story.drafts)


def _answer(story: Story, asked: Turn, done: turn.Completed, turn_id: str) -> None:
    """Send Claude's draft, if it still fits the step that it was written for."""
    matter = story.conversation.matters.get(asked.matter or "")
    if matter is not None and asked.step is not None and matter.step != asked.step and asked.wants == "draft":
        _drop(story, done, turn_id, "moved_on")
        return
    if not done.draft:
        if story.conversation.unread_about(asked.matter):
            broke = sorted({each.partition(":")[0] for each in done.refused if "'" not in each})
            reason = f"what Claude wrote may not be sent ({', '.join(broke) or 'it wrote nothing'})"
            story.tell(Escalated(reason=reason, matter=matter.id if matter else None))
            safely.answer(story, matter, _here(story, matter), _generate(story, asked), asked)
        return
    step = _generate(story, asked)
    purpose = purpose_of(story, matter)
    way, skipped = find_way(story, matter, purpose=purpose, templates=dict(step.templates) if step else {})
    if isinstance(way, NoWay):
        _drop(story, done, turn_id, "moved_on")
        if matter is not None and matter.settled is None:
            speech.defer(story, matter, way)
        else:
            story.tell(Escalated(reason=f"what the contact wrote may not be answered ({way.why})", matter=asked.matter))
        return
    if way.identifies or not set(person.hidden(story, way.channel, way.address)) <= asked.hides:
        story.tell(DraftDropped(turn=turn_id, reason="unconfirmed"))
        if way.identifies:
            person.ask(story, matter, way, purpose=purpose, skipped=skipped)
        return
    body: Body | None = Body(text=done.draft, choices=asking.choices(story, matter))
    if not way.free_text:
        body = speech.safe_body(story, matter, way)
    if body is None:
        _drop(story, done, turn_id, "moved_on")
        reason = f"no registered text of {way.channel} can be filled for an answer"
        story.tell(Escalated(reason=reason, matter=asked.matter))
        return
    draft = turn_id if body.template is None else None
    mates = [story.matter(each) for each in asked.merged if body.template is None]
    speech.say(
        story,
        matter,
        way,
        body,
        purpose=purpose,
        step=asked.step,
        answers=asked.upto,
        draft=draft,
        skipped=skipped,
        merged=[each for each in mates if each.settled is None and each.step == asked.step],
    )


def _drop(
    story: Story,
    done: turn.Completed,
    turn_id: str,
    reason: Literal["moved_on", "newer_message", "closed", "taken_over", "no_progress"],
) -> None:
    if done.draft or reason == "newer_message":
        story.tell(DraftDropped(turn=turn_id, reason=reason))


def _generate(story: Story, asked: Turn) -> Generate | None:
    if asked.matter is None or asked.step is None:
        return None
    matter = story.conversation.matters.get(asked.matter)
    flow = story.flow(matter)
    step = dialogue.step_of(flow, asked.step) if flow else None
    return _written(matter, step)


def _words(story: Story, matter: Matter | None) -> Generate | None:
    """The step at which a matter stands, as something that Claude writes."""
    return _written(matter, _here(story, matter))


def _here(story: Story, matter: Matter | None) -> AnyStep | None:
    return story.at(matter.id if matter else None)[1]


def _written(matter: Matter | None, step: AnyStep | None) -> Generate | None:
    if isinstance(step, Collect) and matter is not None:
        return asking.words_of(matter, step)
    return step if isinstance(step, Generate) else None
