"""The right person: nothing of a matter is said to anybody before they have confirmed who they are, where policy asks for it."""

from collections.abc import Iterable
from typing import Literal

from events import turn
from events.conversation import Escalated, MessageRequested, TurnRequested
from events.person import PersonHeard
from events.reach import ConfirmationVoided, PersonConfirmed, PersonDenied
from events.values import Body, Skipped
from libs.domain.lines import Line, Turn
from libs.domain.matter import Matter
from libs.domain.right_person import Standing
from libs.domain.templates import TemplateFailed, render_payload, render_strict
from services.orchestrator import speech
from services.orchestrator.actions import request_write
from services.orchestrator.approach import NoWay, Purpose, Way, find_way, standing_at
from services.orchestrator.story import Story

CONFIRMS, WRONG_PERSON = "confirms_person", "wrong_person"
"""The intents by which the contact says who they are; a process may know the second one, too."""
INTENTS = {
    CONFIRMS: "says yes, they are the one who was asked for",
    WRONG_PERSON: "says no: they are somebody else, or the number is wrong",
}
INSTRUCTIONS = "Somebody answers the question whether they are the contact. Report only whether they say so."
CONFIRMED = "They were asked who they are and have confirmed it, nothing more was said yet: name the matter now, with its facts."
"""What Claude is told beside the step's own instructions when the first words about a matter follow that question."""
UNKNOWN: frozenset[Standing] = frozenset({"unconfirmed", "denied"})


def hidden(story: Story, channel: str, address: str) -> list[str]:
    """The matters of which nothing may be said, and shown to who writes for us, at an address."""
    matters = story.conversation.matters.values()
    return [each.id for each in matters if standing_at(story, each, channel, address) in UNKNOWN]


def stranger_of(story: Story, about: str | None) -> Line | None:
    """The first unread message about a matter whose writer nobody has confirmed; None where all are known."""
    matter = story.conversation.matters.get(about or "")
    for line in story.conversation.unread_about(about):
        if not line.understood and standing_at(story, matter, line.channel, address_of(story, line)) in UNKNOWN:
            return line
    return None


def address_of(story: Story, line: Line) -> str:
    """Where a message of the contact's came from; where it does not tell, the address at which they are answered."""
    return line.sender or story.address(line.channel, answering=True) or ""


def ask(story: Story, matter: Matter | None, way: Way, *, purpose: Purpose, skipped: Iterable[Skipped] = ()) -> None:
    """Ask who it is, in the policy's own words. The step of the matter waits for the answer."""
    words = story.known.current.policy.right_person
    names = story.names(None)
    try:
        if way.free_text:
            body = Body(text=render_strict(words.question, names), subject=render_strict(words.subject, names))
        else:
            body = speech.template_body(story, None, way.channel, way.template or "")
    except TemplateFailed as failure:
        story.tell(
            Escalated(reason=f"nobody could be asked who they are: {failure}", matter=matter.id if matter else None)
        )
        return
    step = matter.step if matter else None
    speech.say(story, matter, way, body, purpose=purpose, step=step, answers=0, skipped=skipped, identifies=True)


def listen(story: Story, about: str | None, line: Line) -> None:
    """Have the unread messages read for who wrote them, and for nothing else: Claude is told of no matter."""
    address = address_of(story, line)
    matter = story.conversation.matters.get(about or "")

    def from_there(each: Line) -> bool:
        return (each.channel, address_of(story, each)) == (line.channel, address)

    story.tell(
        TurnRequested(
            turn=story.next_id(),
            upto=story.conversation.version,
            instructions=INSTRUCTIONS,
            wants="understand",
            matter=matter.id if matter else None,
            intents=INTENTS,
            context={"contact_name": story.names(None).contact_name or ""},
            gates=story.gates(matter.id if matter else None),
            identifies=True,
            said=[each.source for each in story.conversation.unread_about(about) if each.source and from_there(each)],
            hides=hidden(story, line.channel, address),
        )
    )


def heard(story: Story, asked: Turn, done: turn.Completed) -> Literal["confirmed", "denied", "unclear"]:
    """Who wrote is known now, or not: what was waiting may be said, the matter ends, or we ask once more."""
    about = asked.matter
    read = [line for line in story.conversation.lines if line.source in asked.said]
    verdict: Literal["confirmed", "denied", "unclear"] = "unclear"
    if WRONG_PERSON in done.intents:
        verdict = "denied"
    elif CONFIRMS in done.intents:
        verdict = "confirmed"
    channel, address = (read[-1].channel, address_of(story, read[-1])) if read else ("", "")
    evidence = " / ".join(each.text for each in read)
    where = {"contact_id": story.contact.id, "channel": channel, "address": address}
    heard = PersonHeard(turn=asked.id, channel=channel, verdict=verdict, matter=about, language=done.language)
    if verdict == "confirmed":
        story.tell(heard)
        registered = story.contact.registers(channel, address)
        story.tell_reach(PersonConfirmed(**where, evidence=evidence, at=story.now, registered=registered))
    elif verdict == "denied":
        _apologise(story, about, channel)
        story.tell(heard)
        story.tell_reach(PersonDenied(**where, evidence=evidence))
        end(story, about, channel)
    else:
        story.tell(heard)
        _ask_again(story, about, channel)
    return verdict


def waits_for_it(story: Story, matter: Matter) -> bool:
    """Whether what was said last about a matter is the question who it is: its step has yet to speak."""
    newest = next(
        (each for each in reversed(list(story.conversation.messages.values())) if each.matter == matter.id), None
    )
    return newest is not None and newest.identifies


def note_wrong_person(story: Story, asked: Turn, intents: Iterable[str]) -> None:
    """Who was taken for the contact says that they are somebody else: nothing more is said there, and the ERP hears of it."""
    if WRONG_PERSON not in intents:
        return
    read = [line for line in story.conversation.lines if line.role == "contact" and line.version <= asked.upto]
    if not read:
        return
    channel, address = read[-1].channel, address_of(story, read[-1])
    if (channel, address) in story.reach.denied:
        return
    story.tell_reach(
        PersonDenied(contact_id=story.contact.id, channel=channel, address=address, evidence=read[-1].text)
    )
    matter = story.conversation.matters.get(asked.matter or "")
    if matter is not None:
        _report(story, matter)


def forget(story: Story, channel: str | None, reason: str) -> None:
    """Nobody knows any more who reads on a channel (None: on any)."""
    for known in sorted({place[0] for place in story.reach.confirmed}):
        if channel in (None, known):
            story.tell_reach(ConfirmationVoided(contact_id=story.contact.id, channel=known, reason=reason))


def asked_now(story: Story) -> bool:
    """Whether this very decision has asked somebody who they are."""
    return any(isinstance(draft.event, MessageRequested) and draft.event.identifies for draft in story.drafts)


def _ask_again(story: Story, about: str | None, channel: str) -> None:
    matter = story.conversation.matters.get(about or "")
    live = matter if matter is not None and matter.settled is None else None
    way, skipped = find_way(story, matter, purpose="answer", templates={}, only=channel)
    if isinstance(way, NoWay):
        reason = skipped[0].reason if skipped else "nobody may be asked who they are"
        if live is not None:
            speech.exhaust(story, live, reason, skipped, queue="contacts")
        else:
            story.tell(Escalated(reason=reason, queue="contacts"))
    elif way.identifies:
        ask(story, matter, way, purpose="answer", skipped=skipped)


def _apologise(story: Story, about: str | None, channel: str) -> None:
    """Say sorry where they wrote, if any words may be said there."""
    matter = story.conversation.matters.get(about or "")
    way, _ = find_way(story, matter, purpose="answer", templates={}, only=channel)
    if isinstance(way, NoWay) or not way.free_text:
        return
    policy = story.known.current.policy.right_person
    names = story.names(None)
    try:
        body = Body(text=render_strict(policy.sorry, names), subject=render_strict(policy.subject, names))
    except TemplateFailed:
        return
    speech.say(story, matter, way, body, purpose="answer", answers=0, identifies=True)


def end(story: Story, about: str | None, channel: str) -> None:
    """Somebody else is there: the matter is over here, the ERP is told, and a person looks for who is meant."""
    matter = story.conversation.matters.get(about or "")
    reason = f"somebody else answered on {channel}: the contact's address is wrong"
    if matter is None or matter.settled is not None or story.reach.confirmed:
        story.tell(Escalated(reason=reason, queue="contacts"))  # it goes on with the one who is known, if anybody is
        return
    _report(story, matter)
    speech.exhaust(story, matter, reason, queue="contacts")


def _report(story: Story, matter: Matter) -> None:
    """Tell the ERP that somebody else answers: by the endpoint that the policy names, else as the follow-up's status."""
    policy = story.known.current.policy.right_person
    followup = story.followups.get(matter.id)
    erp_id = followup.opened.erp_id if followup and followup.opened else None
    if policy.report is not None:
        try:
            payload = render_payload(policy.report_payload, story.names(matter))
        except TemplateFailed as failure:
            story.tell(Escalated(reason=f"the ERP could not be told of a wrong person: {failure}", matter=matter.id))
            return
        request_write(story, matter.id, policy.report, payload, "action")
    elif erp_id is not None:
        payload = {"followup_id": erp_id, "status": "wrong_person", "outcome": "somebody else answered"}
        request_write(story, matter.id, "update_followup", payload, "action")
