"""Speaking: free text or a registered template, by ourselves or by Claude; and what becomes of what cannot be said."""

from collections.abc import Collection, Iterable, Sequence
from datetime import timedelta
from typing import Any, Literal

import msgspec

from events.conversation import (
    ChannelSwitched,
    Escalated,
    FlowEnded,
    MatterSettled,
    MessageRequested,
    OutcomeHeard,
    TimerSet,
    TurnRequested,
)
from events.followup import AttemptStarted, Deferred, Exhausted
from events.person import LineLeftOut
from events.values import Body, PolicyDecision, Skipped, SlotOffer
from libs.domain.flow import Generate, Say
from libs.domain.matter import Matter
from libs.domain.templates import TemplateFailed, render, render_strict
from services.orchestrator import focus, threads
from services.orchestrator.approach import (
    UNCONFIRMED,
    NoWay,
    Purpose,
    Way,
    default_template,
    find_way,
    purpose_of,
    talked_on,
)
from services.orchestrator.story import Story

PATIENCE = timedelta(seconds=2)
"""How long a matter waits for its turn to speak while Claude is busy with another one of the same conversation."""
OPERATOR_PATIENCE = timedelta(minutes=15)
"""How long what comes due while an operator has the conversation waits before it is looked at again."""
WITH_OPERATOR = "with_operator"
"""The name of the timers of lines that wait for an operator."""
PERSONA = (
    "You write for a company that follows up with a business contact. Be brief and polite, answer in the contact's "
    "language, promise nothing that you were not told, and say that a colleague will help where you cannot."
)
DISCLOSE = "Say in your first sentence that you are an automated assistant."
"""What the policy may ask of the first words of a conversation."""


def ask_claude(
    story: Story,
    matter: Matter | None,
    step: Generate | None,
    wants: Literal["understand", "draft", "both"],
    intents: dict[str, str],
    slots: Iterable[SlotOffer] = (),
    hides: Collection[str] = (),
    merged: Sequence[Matter] = (),
    more: str = "",
) -> None:
    """Ask for a turn: understand what was said so far, and write for this step; `more` is for those `merged` into it."""
    prompt = render(step.system_prompt if step else PERSONA, story.names(matter))
    story.tell(
        TurnRequested(
            turn=story.next_id(),
            upto=story.conversation.version,
            instructions=disclosing(story, prompt.text) + more,
            wants=wants,
            matter=matter.id if matter else None,
            flow=matter.flow if matter and step else None,
            step=step.id if step else None,
            intents=intents,
            facts=list(focus.facts(story, matter, hides)),
            context=context_of(story, matter, hides),
            undefined=list(prompt.undefined),
            max_words=step.max_words if step else None,
            gates=story.gates(matter.id if matter else None),
            slots=list(slots),
            hides=list(hides),
            merged=[each.id for each in merged],
        )
    )


def disclosing(story: Story, prompt: str) -> str:
    """What Claude is told to say, with what the policy asks of our first words."""
    first = not any(line.role == "agent" for line in story.conversation.lines)
    discloses = first and story.known.current.policy.disclose_automation == "always"
    return f"{prompt}\n{DISCLOSE}" if discloses else prompt


def context_of(story: Story, matter: Matter | None, hides: Iterable[str] = ()) -> dict[str, Any]:
    """What Claude is told of a matter beside the conversation; nothing of the matters that it `hides`."""
    names = story.names(matter)
    followup = story.followups.get(matter.id) if matter else None
    context = {
        "reason": followup.opened.reason if followup and followup.opened else None,
        "contact_name": names.contact_name,
        "entity_type": names.entity_type,
        "entity_id": names.entity_id,
        "process_type": names.process_type,
        "state": names.state,
        "business_context": dict(names.business_context or {}),
        "extracted_info": dict(names.extracted_info or {}),
        "tool_results": dict(names.tool_results or {}),
        "slots": dict(names.slots or {}),
        "other_matters": _others(story, matter, frozenset(hides)),
    }
    return {name: value for name, value in context.items() if value not in (None, {}, [])}


def _others(story: Story, matter: Matter | None, hides: frozenset[str]) -> list[dict[str, str | None]]:
    """What else is open with the contact, so that nobody takes one matter for the other."""
    return [
        {"entity_type": each.entity_type, "entity_id": each.entity_id, "state": each.state}
        for each in story.conversation.live
        if (matter is None or each.id != matter.id) and each.id not in hides
    ]


def say(
    story: Story,
    matter: Matter | None,
    way: Way,
    body: Body,
    *,
    purpose: Purpose,
    step: str | None = None,
    answers: int | None = None,
    draft: str | None = None,
    skipped: Iterable[Skipped] = (),
    identifies: bool = False,
    merged: Iterable[Matter] = (),
) -> None:
    """Ask for a message; an approach for an open matter counts as an attempt, also for those that are `merged` into it.

    Where nobody has confirmed who they are nothing goes out but what `identifies`: anything else is a bug.
    """
    if way.identifies and not identifies:
        raise AssertionError(
            f"something of a matter was to be said on {way.channel} before anybody confirmed who they are"
        )
    if talked_on(story, matter) not in (None, way.channel):
        story.tell(ChannelSwitched(channel=way.channel, reason="the next channel that is allowed"))
    mates = list(merged)
    for each in [matter, *mates] if matter and purpose == "approach" and step else []:
        attempt(story, each.id if each else "", way, skipped)
    if purpose == "approach":
        story.approaches.append(story.now)
    place = threads.place(story, matter, way.channel)
    story.tell(
        MessageRequested(
            message=story.next_id(),
            channel=way.channel,
            to=way.address,
            body=msgspec.structs.replace(body, subject=body.subject or place.subject),
            allowed_by=way.decision,
            purpose=purpose,
            answers=story.conversation.version if answers is None else answers,
            matter=matter.id if matter else None,
            step=step,
            reply_to=place.reply_to,
            thread=list(place.thread),
            draft=draft,
            gates=[*_gates(story, matter, way), *(f"matter:{each.id}" for each in mates)],
            identifies=identifies,
            merged=[each.id for each in mates],
        )
    )


def attempt(story: Story, matter: str, way: Way, skipped: Iterable[Skipped]) -> None:
    """An approach for an open matter counts, whatever comes of it."""
    followup = story.followups.get(matter)
    if followup is not None and not followup.settled:
        number = followup.attempts + 1
        started = AttemptStarted(number=number, channel=way.channel, allowed_by=way.decision, skipped=list(skipped))
        story.tell_of(matter, started)


def _gates(story: Story, matter: Matter | None, way: Way) -> list[str]:
    """What may still withhold it: not the contact's own unsubscribing, where the policy allows to answer all the same."""
    gates = story.gates(matter.id if matter else None, way.channel)
    unsubscribed = story.known.consent.channels.get(way.channel) is False
    return [gate for gate in gates if not (unsubscribed and gate == story.gate_of(way.channel))]


def template_body(story: Story, matter: Matter | None, channel: str, template: str) -> Body:
    """A registered template with its variables filled. Raises TemplateFailed where a name is not defined."""
    registered = story.bundle(matter).templates[channel][template]
    names = story.names(matter)
    return Body(
        text=render_strict(registered.body, names),
        template=registered.id,
        template_name=registered.name,
        language=registered.language,
        variables={variable.name: render_strict(variable.source, names) for variable in registered.variables},
    )


def text_body(story: Story, matter: Matter | None, text: str) -> Body:
    """A text of the bundle, rendered. Raises TemplateFailed where a name is not defined."""
    return Body(text=render_strict(text, story.names(matter)))


def step_body(story: Story, matter: Matter, way: Way, step: Say | Generate) -> Body | None:
    """What a step says on this way without asking Claude; None where Claude is to write."""
    if not way.free_text and way.template:
        return template_body(story, matter, way.channel, way.template)
    return text_body(story, matter, step.text) if isinstance(step, Say) else None


def send(story: Story, matter: str, *, text: str | None, template: str | None, channel: str | None = None) -> None:
    """Say a line that a state map asks for; at a forbidden hour it waits for the next allowed minute."""
    if story.conversation.status == "with_operator":
        due_at = story.now + OPERATOR_PATIENCE
        line = {"text": text, "template": template, "channel": channel}
        story.set_timer("deferred", due_at, matter=matter, name=WITH_OPERATOR, **line)
        return
    now = story.matter(matter)
    texts = story.bundle(now).templates
    templates = {name: template for name, known in texts.items() if template and template in known}
    purpose = purpose_of(story, now)
    only = channel or (next(iter(templates)) if template and len(templates) == 1 else None)
    way, skipped = find_way(story, now, purpose=purpose, templates=templates, only=only, identify=False)
    if isinstance(way, NoWay):
        if way.until is None and any(UNCONFIRMED in each.reason for each in way.skipped):
            story.tell(LineLeftOut(matter=matter, reason=way.why, template=template))
        elif way.until is not None:
            story.set_timer("deferred", way.until, matter=matter, text=text, template=template, channel=channel)
        else:
            story.tell(Escalated(reason=f"a line of the state map could not be said ({way.why})", matter=matter))
        return
    try:
        if way.template and (template or not way.free_text):
            body = template_body(story, now, way.channel, way.template)
        else:
            body = text_body(story, now, text or "")
    except TemplateFailed as failure:
        story.tell(Escalated(reason=f"a line of the state map could not be said: {failure}", matter=matter))
        return
    say(story, now, way, body, purpose=purpose, skipped=skipped)


def say_later(story: Story, timer: TimerSet) -> None:
    """Say a line that had to wait; what belongs to a matter that was cancelled meanwhile is not said."""
    story.tell(OutcomeHeard(intent=timer.timer, outcome="due"))
    matter = story.conversation.matters.get(timer.matter or "")
    if story.conversation.open and matter is not None and matter.settled in (None, "resolved"):
        send(story, matter.id, text=timer.text, template=timer.template, channel=timer.channel)


def safe_body(story: Story, matter: Matter | None, way: Way) -> Body | None:
    """A registered text that needs nobody to write it: the way's, else the channel's own; None where none can be filled."""
    for template in dict.fromkeys((way.template, default_template(story.bundle(matter), way.channel))):
        if template is not None:
            try:
                return template_body(story, matter, way.channel, template)
            except TemplateFailed:
                continue
    return None


def defer(story: Story, matter: Matter, way: NoWay) -> None:
    """Not now: come back in the next allowed minute. Never: a person must look at it."""
    followup = story.followups.get(matter.id)
    if way.until is not None:
        if followup and not followup.settled:
            story.tell_of(matter.id, Deferred(until=way.until, decisions=way.decisions, skipped=way.skipped))
        story.set_timer("deferred", way.until, matter=matter.id, step=matter.step)
        return
    reason = "no channel is left on which this contact may be approached"
    exhaust(story, matter, reason, way.skipped, decisions=way.decisions)


def exhaust(
    story: Story,
    matter: Matter,
    reason: str,
    skipped: Iterable[Skipped] = (),
    *,
    queue: str | None = None,
    decisions: Iterable[PolicyDecision] = (),
) -> None:
    """Nothing more may or can be tried: hand the matter to a person."""
    followup = story.followups.get(matter.id)
    if followup and not followup.settled:
        story.tell_of(matter.id, Exhausted(reason=reason, skipped=list(skipped), decisions=list(decisions)))
    story.tell(Escalated(reason=reason, matter=matter.id, queue=queue))
    if story.matter(matter.id).settled is None:
        story.tell(MatterSettled(matter=matter.id, how="handed_over"))
    flow = story.matter(matter.id).flow
    if flow is not None:
        story.tell(FlowEnded(matter=matter.id, flow=flow))
