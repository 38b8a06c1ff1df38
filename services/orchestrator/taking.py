"""Taking: somebody calls us. They are talked with about what is open, never in two calls at once, and called where we missed them."""

from msgspec.structs import replace

from events import call
from events.call import CallTaken
from events.conversation import Escalated
from events.phone import CallOver, RangUs
from libs.domain import phone as phones
from libs.domain.call_lines import language_of, line
from libs.domain.contact import is_stranger
from libs.domain.phone import VOICE, HandedOver, Phone
from libs.domain.templates import TemplateFailed, render_strict
from services.orchestrator import approach, calling, focus
from services.orchestrator.story import Story

GREETING = "Namaste {{contact_name}} ji, this is an automated assistant. Thank you for calling. How may I help you?"
"""What somebody hears first who calls us, and may hear what is open with them."""
TO_A_STRANGER = "Namaste, this is an automated assistant. Thank you for calling. How may I help you?"
GAVE_WAY = "the contact calls us at this moment"


def take(story: Story, call_id: str, came: call.CameIn, follows: str | None) -> None:
    """Talk with who waits. Whoever is on the phone with us already is not talked with twice: they are called when that is over."""
    story.open(follows)
    phone = story.conversation.phone
    if phone is not None and phone.live:
        return
    if phone is not None:
        _give_way(story, phone)
    handed = _handed_over(story, came.returns)
    matter = next(iter(focus.in_focus(story)), None)
    if handed is not None:
        matter = story.conversation.matters.get(handed.matter or "")
    standing = approach.standing_at(story, matter, VOICE, came.caller)
    opening, identifies = _opening(story, asks=standing in ("unconfirmed", "denied"))
    if handed is not None:
        own = story.known.current.settings.voice.get("lines")
        opening = line("unreached", language_of(story.conversation.language), own)
        identifies = identifies and not handed.known
    taken = CallTaken(
        call=call_id,
        caller=came.caller,
        at=came.at,
        opening=opening,
        instructions="",
        language=story.conversation.language,
        matter=matter.id if matter else None,
        step=matter.step if matter else None,
        identifies=identifies,
        answers_only=story.known.consent.stopped,
        returned=handed is not None,
    )
    story.tell(replace(taken, **calling.as_told(calling.begun(story, phones.taken(taken)))))


def missed(story: Story, call_id: str, came: call.CameIn, reason: str, follows: str | None) -> None:
    """Nobody has talked with somebody who called us."""
    phone = story.conversation.phone
    if phone is not None and phone.call == call_id:
        story.tell(CallOver(call=call_id, outcome="unanswered", reason=reason))
    rang(story, call_id, came, follows)


def rang(story: Story, call_id: str, came: call.CameIn, follows: str | None) -> None:
    """They are called about what is spoken of, unless we are on the phone with them already; what that is not for, a person sees."""
    story.open(follows)
    story.tell(RangUs(call=call_id, at=came.at, sender=came.caller))
    call_back(story)


def call_back(story: Story) -> None:
    """Somebody who called us, and did not come to an end with us, is called."""
    matter = next(iter(focus.in_focus(story)), None)
    if story.known.consent.erasing:
        return
    if story.known.consent.stopped:
        story.tell(Escalated(reason="the contact said stop before and called us, and nobody talked with them"))
    elif story.conversation.status != "open" or matter is None:
        story.tell(Escalated(reason="the contact called us, and no matter is open with them"))
    else:
        calling.return_call(story, matter)


def _handed_over(story: Story, call_id: str | None) -> HandedOver | None:
    """What we had handed over in the call that they come back from; its conversation may have ended with it."""
    for talk in filter(None, (story.conversation, story.known.before)):
        if call_id is not None and call_id in talk.handed_over:
            return talk.handed_over[call_id]
    return None


def _give_way(story: Story, phone: Phone) -> None:
    """Our call that has not been answered is none any more: what was not dialled is withheld, what rings is let go."""
    story.close_gate(story.gate_of(VOICE), GAVE_WAY)
    story.tell(CallOver(call=phone.call, outcome="withheld", reason=GAVE_WAY))
    story.approaches = [at for at in story.approaches if at != phone.at]


def _opening(story: Story, *, asks: bool) -> tuple[str, bool]:
    """The first words, and whether they ask who it is: somebody of whom nothing but the number is known is asked nothing."""
    if is_stranger(story.contact.id):
        return TO_A_STRANGER, False
    names = story.names(None)
    try:
        spoken = story.known.current.policy.right_person.spoken
        return render_strict(spoken if asks else GREETING, names), asks
    except TemplateFailed:
        return TO_A_STRANGER, asks
