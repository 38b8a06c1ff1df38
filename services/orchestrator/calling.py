"""Calling: a step is spoken on the phone. What a call begins with, what it goes on with, and when we call again."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from msgspec.structs import replace

from events.call import CallRequested
from events.phone import CallGuided
from events.values import Skipped
from libs.domain.conversation import LOST
from libs.domain.flow import Collect, Flow, Generate, Say, ToolCall
from libs.domain.matter import Matter
from libs.domain.phone import VOICE, Guidance, Phone
from libs.domain.templates import TemplateFailed, render, render_strict
from services.orchestrator import asking, focus, speech
from services.orchestrator.approach import NoWay, Purpose, Way, find_way
from services.orchestrator.story import Story

CONFIRMS, WRONG_PERSON, OPT_OUT = "confirms_person", "wrong_person", "opt_out"
IDENTIFIES = {
    CONFIRMS: "says yes, they are the one who was asked for",
    WRONG_PERSON: "says no: they are somebody else, or the number is wrong",
}
STOPS = {OPT_OUT: "wants to hear nothing more from us, on any channel"}
CALLBACK = "callback"
"""The name of the timers by which a contact who asked for it is called again."""
ANOTHER = timedelta(seconds=15)
"""How long another matter waits while a call has the floor, before it looks again."""

GREETING = "Namaste {{contact_name}} ji, this is an automated assistant. Do you have a minute?"
"""What is said first to somebody who may hear the matter; the rest is Claude's."""
IDENTIFY = (
    "Ask whether you speak with {{contact_name}}. Nothing else may be said: what the call is about is not known to you yet. "
    f"Once they say so, report_intent with {CONFIRMS} comes before any word of yours; what to talk about comes with its "
    f"result. Where it is somebody else, report_intent with {WRONG_PERSON}."
)
LOOKED_UP = "Their matter is being looked up at this moment: they hear so in a few words, and are asked nothing."
ALL_SAID = (
    "Nothing more is to be said about this matter: what they ask is answered, then come thanks, goodbye and end_call."
)
STOPPED = "They want to hear nothing more from us: they hear that it is noted, then come goodbye and end_call."
STRANGER = "It was somebody else: they hear a word of regret for the trouble, then come goodbye and end_call."
CALLED = (
    "They called us: what they want is heard and answered first. Then, where it is not what they called about anyway:"
)
"""Comes before what a step would say to somebody whom we have called."""
NOTHING_OPEN = (
    "They called us, and nothing is open with them that you know of: hear what it is about, say that a colleague calls them "
    "back about it, and answer nothing that you do not know. Then come thanks, goodbye and end_call."
)
ANSWERS_ONLY = (
    "They had asked us to contact them no more, and call us now. What they ask is answered, and nothing else: remind them of "
    "nothing, offer no call and no message. Then come thanks, goodbye and end_call."
)
UNREACHED = (
    "They wanted a person, and nobody took the call: they have heard that you are sorry. Ask when a colleague may call them, "
    "use schedule_callback with that time, and answer what they ask. Then come thanks, goodbye and end_call."
)
COLLEAGUE = "A colleague goes on with this: they hear that somebody will get in touch, then come goodbye and end_call."


def dial(
    story: Story, matter: Matter, way: Way, step: Say | Generate, *, purpose: Purpose, skipped: Iterable[Skipped] = ()
) -> None:
    """Ask for a call that speaks for this step; where its first words name what is not known a person must look at it."""
    try:
        opening = _opening(story, matter, way, step)
    except TemplateFailed as failure:
        speech.exhaust(story, matter, f"step {step.id!r} cannot be spoken: {failure}")
        return
    told = _identifying(story) if way.identifies else _guidance(story, matter)
    if purpose == "approach":
        speech.attempt(story, matter.id, way, skipped)
        story.approaches.append(story.now)
    story.tell(
        CallRequested(
            call=story.next_id(),
            to=way.address,
            opening=opening,
            allowed_by=way.decision,
            **as_told(told),
            language=story.conversation.language,
            matter=matter.id,
            step=step.id,
            gates=story.gates(matter.id, VOICE),
            purpose=purpose,
            identifies=way.identifies,
        )
    )


def has_floor(story: Story) -> bool:
    """Whether a call is talked on: until it is over nothing is said elsewhere by itself."""
    phone = story.conversation.phone
    return phone is not None and phone.live


def in_the_call(story: Story, matter: Matter, step: Say | Generate) -> bool:
    """A step speaks while a call has the floor: in the call, or after it; False where the flow waits at it."""
    phone = story.conversation.phone
    if phone is None or phone.matter != matter.id:
        story.set_timer("pending", story.now + ANOTHER, matter=matter.id, step=step.id)
        return False
    return isinstance(step, Say) and say_aside(story, matter.id, step.text, None, None)


def say_aside(story: Story, matter: str, text: str | None, template: str | None, channel: str | None) -> bool:
    """Say a line of the bundle's own in the call that is about this matter; False where it goes out as a message."""
    phone = story.conversation.phone
    if phone is None or not phone.live or not phone.known or phone.matter != matter or channel is not None:
        return False
    if text is None or template is not None:
        return False
    try:
        story.spoken.append(render_strict(text, story.names(story.matter(matter))))
    except TemplateFailed:
        return False
    story.speaks = True
    return True


def guide(story: Story) -> None:
    """Tell a call that goes on what came of what it asked for, and what it goes on with, where that is news."""
    phone = story.conversation.phone
    if phone is None or not phone.live:
        return
    answers = {number: story.answered[number] for number in phone.waiting if number in story.answered}
    later = {
        number: _outcome(story, intent)
        for number, intent in phone.waiting.items()
        if number not in answers and intent is not None and intent not in story.conversation.awaited
    }
    told = begun(story, phone)
    if not answers and not later and not story.spoken and told == phone.told:
        return
    instructions = "\n".join([*(f"Say this now: {text}" for text in story.spoken), told.instructions])
    story.tell(
        CallGuided(
            call=phone.call,
            **as_told(replace(told, instructions=instructions)),
            state=told.state,
            answers={str(number): answer for number, answer in (answers | later).items()},
            speaks=story.speaks,
            ends=told.ends,
        )
    )


def return_call(story: Story, matter: Matter) -> None:
    """They asked to be called, or called us: a call answers them, as far as the policy lets it."""
    if story.conversation.phone is not None:
        return
    _, step = story.at(matter.id)
    words = asking.words_of(matter, step) if isinstance(step, Collect) else step
    if not isinstance(words, Say | Generate):
        words = Generate(id=matter.step or CALLBACK, system_prompt="Call back {{contact_name}}, as they asked you to.")
    way, skipped = find_way(story, matter, purpose="answer", templates={}, only=VOICE, calls=True)
    if isinstance(way, Way):
        dial(story, matter, way, words, purpose="answer", skipped=skipped)
    elif way.until is not None:
        story.set_timer("deferred", way.until, matter=matter.id, step=matter.step, name=CALLBACK, channel=VOICE)
    else:
        speech.defer(story, matter, NoWay(None, way.decisions, way.skipped))


def _opening(story: Story, matter: Matter, way: Way, step: Say | Generate) -> str:
    if way.identifies:
        return render_strict(story.known.current.policy.right_person.spoken, story.names(None))
    words = step.text if isinstance(step, Say) else GREETING
    return render_strict(words, story.names(matter))


def begun(story: Story, phone: Phone) -> Guidance:
    """What a call that is on, or just begins, goes on with, as things stand."""
    matter = story.conversation.matters.get(phone.matter or "")
    stopped = story.known.consent.stopped and not phone.answers_only
    if stopped or story.conversation.status == "closed":
        return Guidance(instructions=STOPPED, ends=True)
    if phone.denied:
        return Guidance(instructions=STRANGER, ends=True)
    if not phone.known:
        return _identifying(story)
    if story.conversation.status == "with_operator" or story.conversation.silenced:
        return Guidance(instructions=COLLEAGUE, ends=True)
    told = _guidance(story, matter)
    if phone.returned:
        return replace(told, instructions=UNREACHED)
    if phone.answers_only:
        return replace(
            told, instructions=f"{ANSWERS_ONLY}\n{told.instructions}" if matter else ANSWERS_ONLY, channels=()
        )
    if not phone.came_in:
        return told
    return replace(told, instructions=f"{CALLED}\n{told.instructions}" if matter else NOTHING_OPEN)


def as_told(told: Guidance) -> dict[str, Any]:
    """What a fact tells a call to go on with."""
    return {
        "instructions": told.instructions,
        "context": dict(told.context),
        "intents": dict(told.intents),
        "facts": list(told.facts),
        "channels": list(told.channels),
        "tools": dict(told.tools),
    }


def _identifying(story: Story) -> Guidance:
    """Nothing of any matter: who it is has to be known first."""
    names = story.names(None)
    return Guidance(
        instructions=render(IDENTIFY, names).text,
        context={"contact_name": names.contact_name or ""},
        intents={**IDENTIFIES, **STOPS},
    )


def _guidance(story: Story, matter: Matter | None) -> Guidance:
    if matter is None:
        return Guidance(instructions=ALL_SAID, intents=STOPS)
    flow, step = story.at(matter.id)
    written = [
        {"channel": line.channel, "text": line.text} for line in story.conversation.unread if line.channel != VOICE
    ]
    context = speech.context_of(story, matter) | ({"written_meanwhile": written} if written else {})
    return Guidance(
        instructions=_instructions(story, matter, step),
        context=context,
        intents={**focus.intents(story, matter), **STOPS},
        facts=focus.facts(story, matter),
        channels=_channels(story),
        tools=_tools(flow) if matter.settled is None else {},
        state=matter.state,
        ends=matter.settled is not None,
    )


def _instructions(story: Story, matter: Matter, step: Any) -> str:
    """The words of the step for Claude; what is asked for stands below them."""
    if isinstance(step, ToolCall):
        return LOOKED_UP
    if isinstance(step, Collect):
        step, slots = asking.words_of(matter, step), asking.offers(story, matter)
        asks = [f"- {slot.name} ({slot.type}): {slot.ask or 'ask for it'}" for slot in slots if slot.value is None]
        prompt = render(step.system_prompt, story.names(matter)).text
        how = "Report what they answer with report_intent, in extracted_info by the same name."
        return "\n".join([prompt, *asks, how])
    if not isinstance(step, Generate) or matter.settled is not None:
        return ALL_SAID
    prompt = render(step.system_prompt, story.names(matter)).text
    return speech.disclosing(story, prompt)


def _channels(story: Story) -> tuple[str, ...]:
    """Where something may be sent to while we talk: the contact is registered there, and the channel is on."""
    return tuple(
        channel
        for channel, door in story.known.doors.items()
        if channel not in (VOICE, "chat") and door.mode != "off" and story.contact.address(channel) is not None
    )


def _tools(flow: Flow | None) -> dict[str, str]:
    """What the flow asks the ERP, so that it may be asked in the call, too."""
    steps = flow.steps if flow is not None else ()
    return {
        step.endpoint: f"Look up {step.result_key.replace('_', ' ')} for this matter; it needs no input."
        for step in steps
        if isinstance(step, ToolCall)
    }


def _outcome(story: Story, intent: str) -> dict[str, Any]:
    """What became of something that a call waits for."""
    sent = story.conversation.messages.get(intent)
    if sent is not None:
        if sent.heard in LOST:
            return {"status": "failed", "note": f"It could not be sent on {sent.channel}."}
        return {"status": "done", "note": f"It has been sent on {sent.channel}."}
    return {"status": "done", "note": "It has been looked up: the facts say what came of it."}
