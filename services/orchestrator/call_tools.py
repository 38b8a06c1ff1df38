"""What Claude asks for in a call: it is done as far as it may be, and answered as soon as it is known what came of it."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from events.call import ToolCalled
from events.conversation import Escalated, MessageRequested, Understood
from events.errand import ToolRequested
from events.person import PersonHeard
from events.phone import CallAsked
from events.reach import PersonDenied
from events.values import Body
from libs.domain import policy, statemap
from libs.domain.flow import Collect, Generate, ToolCall
from libs.domain.matter import Matter
from libs.domain.phone import VOICE, Phone
from libs.domain.statemap import Fired
from libs.domain.templates import TemplateFailed
from libs.llm.failures import BadOutput
from libs.llm.turn import IntentOffer, TurnRequest, Understanding, Utterance
from libs.llm.understanding import understood
from services.orchestrator import (
    actions,
    approach,
    calling,
    collecting,
    handing,
    person,
    process,
    speech,
    stopping,
    threads,
    turns,
)
from services.orchestrator.settling import map_of
from services.orchestrator.story import Story

LATEST = timedelta(days=30)
"""How far ahead we promise to call again."""

Answer = dict[str, Any]


def reached(story: Story, phone: Phone) -> None:
    """The contact is on the phone: the process hears that the call was answered."""
    matter = story.conversation.matters.get(phone.matter or "")
    if matter is not None and matter.settled is None and story.conversation.open:
        process.fire(story, matter.id, Fired("outcome", "call_answered"))


def use(story: Story, phone: Phone, event: ToolCalled) -> None:
    """Do what Claude asked for, as far as it may be done; what is not known yet is answered when it is."""
    before = len(story.drafts)
    answer = _do(story, phone, event)
    waits_for = _awaited(story, before)
    story.tell(CallAsked(call=phone.call, number=event.number, tool=event.tool, waits_for=waits_for))
    if waits_for is None or answer["status"] not in ("done", "waiting"):
        story.answered[event.number] = answer


def _awaited(story: Story, before: int) -> str | None:
    """The intent whose outcome the contact waits for: what the ERP is asked, else what is sent to them."""
    new = [draft.event for draft in story.drafts[before:]]
    asked = next((each.call for each in reversed(new) if isinstance(each, ToolRequested)), None)
    if asked is not None:
        story.speaks = True
    return asked or next((each.message for each in reversed(new) if isinstance(each, MessageRequested)), None)


def _do(story: Story, phone: Phone, event: ToolCalled) -> Answer:
    inputs = event.inputs
    matter = story.conversation.matters.get(phone.matter or "")
    match event.tool:
        case "end_call":
            return {"status": "done", "note": "The call ends."}
        case "transfer" if not story.conversation.open:
            return {"status": "refused", "note": "Nobody takes over, and nobody calls them: say goodbye."}
        case "transfer":
            reason = str(inputs.get("reason") or "no reason given")
            story.tell(Escalated(reason=f"asked for a person on the phone: {reason}", matter=phone.matter))
            if handing.hand_over(story, phone, reason):
                return {"status": "done", "note": "A colleague takes over now, and they hear so. Say nothing more."}
            called = "" if story.known.consent.stopped else ", and will call them"
            return {"status": "done", "note": f"A colleague has been told{called}. Nobody takes over now."}
        case "report_intent":
            return _reported(story, phone, event)
        case _ if matter is None or not phone.known or not story.conversation.open:
            return {"status": "refused", "note": "It cannot be done in this call."}
        case "send_on_channel":
            return _send(story, matter, str(inputs.get("channel") or ""))
        case "schedule_callback":
            return _schedule(story, matter, str(inputs.get("at") or ""))
        case endpoint:
            return _look_up(story, matter, endpoint)


def _reported(story: Story, phone: Phone, event: ToolCalled) -> Answer:
    """What the contact wants or says about themselves, checked as in text, moves their matter at once."""
    intent = str(event.inputs.get("intent") or "")
    found = _read(story, phone, event, intent)
    if found is None or not (found.intents or found.facts):
        return {"status": "refused", "note": "Nobody said so in their last words. Ask them."}
    words = found.intents[0].words if found.intents else event.said
    if intent == calling.OPT_OUT:
        stopping.stop(story, "understood", words, VOICE)
        return {"status": "done", "note": "It is on record: nobody contacts them any more."}
    if intent == calling.CONFIRMS and not phone.known:
        return _confirmed(story, phone, event)
    if intent == calling.WRONG_PERSON:
        return _denied(story, phone, event, words)
    if not phone.known:
        return {"status": "refused", "note": "Find out first whether it is the contact."}
    return _move(story, phone, event, intent, found)


def _confirmed(story: Story, phone: Phone, event: ToolCalled) -> Answer:
    story.tell(PersonHeard(turn=_turn(phone, event), channel=VOICE, verdict="confirmed", matter=phone.matter))
    reached(story, phone)
    story.speaks = True
    return {"status": "done", "note": "It is the contact. Say now what the call is about."}


def _denied(story: Story, phone: Phone, event: ToolCalled, words: str) -> Answer:
    """Somebody else is on the phone, or nobody who has to do with it: nothing of the matter is said there."""
    if phone.known and phone.matter is not None:
        moved = process.fire(story, phone.matter, Fired("intent", calling.WRONG_PERSON)) is not None
    else:
        moved = False
    story.tell(PersonHeard(turn=_turn(phone, event), channel=VOICE, verdict="denied", matter=phone.matter))
    where = {"contact_id": story.contact.id, "channel": VOICE, "address": phone.to}
    story.tell_reach(PersonDenied(**where, evidence=words))
    if not moved:
        person.end(story, phone.matter, VOICE)
    return {"status": "done", "note": "It is on record: this number is not used for them any more."}


def _move(story: Story, phone: Phone, event: ToolCalled, intent: str, found: Understanding) -> Answer:
    matter = _owner(story, phone, intent)
    story.tell(
        Understood(
            turn=_turn(phone, event),
            intents=[intent] if found.intents else [],
            matter=matter.id if matter else None,
            extracted_info=dict(found.extracted_info),
            words=dict(found.words),
        )
    )
    if matter is None or matter.settled is not None:
        return {"status": "done", "note": "It is on record; nothing is open that it could move."}
    reported = event.inputs.get("extracted_info")
    raw = (
        {name: value for name, value in reported.items() if value not in (None, "")}
        if isinstance(reported, dict)
        else {}
    )
    slots = {**raw, **found.extracted_info}
    corrected = collecting.fill(story, matter.id, slots, dict(found.words))
    before = (matter.state, matter.flow, matter.step)
    if found.intents:
        turns.give(story, matter.id, intent)
    now = story.matter(matter.id)
    at_same_step = now.settled is None and (now.state, now.flow, now.step) == before
    if at_same_step and (isinstance(story.at(matter.id)[1], Collect) or corrected):
        collecting.go_on(story, matter.id, corrected)
        now = story.matter(matter.id)
    moved = f" The matter is now {now.state}." if now.state not in (None, before[0]) else ""
    return {"status": "done", "note": f"It is on record.{moved}", "facts": dict(found.extracted_info)}


def _read(story: Story, phone: Phone, event: ToolCalled, intent: str) -> Understanding | None:
    """The report, checked against what the contact said, by the same rules as what is understood from a text."""
    reported = event.inputs.get("extracted_info")
    words = str(event.inputs.get("words") or event.said)
    said = event.said or words
    request = TurnRequest(
        wants="understand",
        now=story.now,
        timezone=story.zone,
        instructions="",
        persona="",
        intents=(IntentOffer(intent),),
        own_facts=phone.told.facts if phone.told else (),
        unread=(Utterance(role="contact", text=said, channel=VOICE),),
    )
    facts = reported.items() if isinstance(reported, dict) else ()
    report = {
        "language": "und",
        "sentiment": "neutral",
        "opt_out": False,
        "intents": [{"name": intent, "words": words}],
        "facts": [
            {"name": name, "value": str(value), "words": words} for name, value in facts if value not in (None, "")
        ],
    }
    try:
        return understood(report, request)
    except BadOutput:
        return None


def _owner(story: Story, phone: Phone, intent: str) -> Matter | None:
    """The matter that an intent moves: the call's, where its process knows it at all."""
    own = story.conversation.matters.get(phone.matter or "")
    others = [each for each in story.conversation.live if own is None or each.id != own.id]
    for matter in [*([own] if own is not None else []), *others]:
        state_map = map_of(story, matter)
        if state_map is not None and statemap.knows_intent(state_map, intent):
            return matter
    return own


def _send(story: Story, matter: Matter, channel: str) -> Answer:
    """What the step has as a registered text goes to another channel of theirs while we talk: they asked for it."""
    _, step = story.at(matter.id)
    templates = dict(step.templates) if isinstance(step, Generate | Collect) else {}
    way, skipped = approach.find_way(story, matter, purpose="answer", templates=templates, only=channel)
    if isinstance(way, approach.NoWay):
        reason = skipped[0].reason if skipped else "the channel is not known"
        return {"status": "refused", "note": f"It may not be sent on {channel}: {reason}."}
    if way.identifies:
        return {"status": "refused", "note": f"Nobody has confirmed who reads on {channel}."}
    try:
        body = _body(story, matter, way, templates)
    except TemplateFailed:
        body = None
    if body is None:
        return {"status": "failed", "note": f"There is no text that could be sent on {channel}."}
    place = threads.place(story, matter, channel)
    message = story.next_id()
    story.tell(
        MessageRequested(
            message=message,
            channel=channel,
            to=way.address,
            body=Body(text=body.text, subject=place.subject) if way.free_text else body,
            allowed_by=way.decision,
            purpose="answer",
            matter=matter.id,
            reply_to=place.reply_to,
            thread=list(place.thread),
            gates=story.gates(matter.id, channel),
        )
    )
    return {"status": "waiting", "note": f"It is on its way on {channel}."}


def _body(story: Story, matter: Matter, way: approach.Way, templates: Mapping[str, str]) -> Body | None:
    """The step's registered text of that channel, else that of another one, else the channel's own."""
    known = story.bundle(matter).templates
    wanted = [(way.channel, way.template), *templates.items()]
    for channel, template in wanted:
        if template is not None and template in known.get(channel, {}) and (way.free_text or channel == way.channel):
            return speech.template_body(story, matter, channel, template)
    return speech.safe_body(story, matter, way)


def _schedule(story: Story, matter: Matter, at: str) -> Answer:
    """They are called again when they ask for it, or in the first minute after it in which that is allowed."""
    try:
        wanted = datetime.fromisoformat(at)
    except ValueError:
        return {"status": "refused", "note": "Say when, as a date and a time."}
    wanted = wanted if wanted.tzinfo else wanted.replace(tzinfo=ZoneInfo(story.zone))
    if not story.now < wanted <= story.now + LATEST:
        return {"status": "refused", "note": f"Ask for a time within the next {LATEST.days} days."}
    rules = story.known.current.policy
    due_at = policy.next_allowed_minute(rules, channel=VOICE, purpose=matter.process_type, at=wanted, zone=story.zone)
    if due_at is None:
        return {"status": "refused", "note": "At no time they may be called then."}
    story.set_timer("deferred", due_at, matter=matter.id, step=matter.step, name=calling.CALLBACK, channel=VOICE)
    local = due_at.astimezone(ZoneInfo(story.zone)).isoformat(timespec="minutes")
    return {"status": "done", "note": "They will be called then: name that time.", "at": local}


def _look_up(story: Story, matter: Matter, endpoint: str) -> Answer:
    """Ask the ERP what a step of the flow asks it."""
    flow, _ = story.at(matter.id)
    steps = flow.steps if flow is not None else ()
    step = next((each for each in steps if isinstance(each, ToolCall) and each.endpoint == endpoint), None)
    if step is None:
        return {"status": "refused", "note": "There is no such tool at this step."}
    try:
        payload = actions.tool_payload(story, matter, step)
    except TemplateFailed as failure:
        if isinstance(failure, actions.IdRefused):
            story.tell(Escalated(reason=f"{endpoint} was not asked in a call: {failure}", matter=matter.id))
        return {"status": "failed", "note": "It cannot be looked up."}
    ask = ToolRequested(
        call=story.next_id(), matter=matter.id, endpoint=endpoint, result_key=step.result_key, payload=payload
    )
    story.tell(ask)
    return {"status": "waiting", "note": "It is being looked up."}


def _turn(phone: Phone, event: ToolCalled) -> str:
    return f"{phone.call}/{event.number}"
