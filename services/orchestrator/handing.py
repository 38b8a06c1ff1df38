"""Handing over: a person takes over in a call, where one may be rung; who is not reached is told so, and is for a person all the same."""

from events import call
from events.conversation import Escalated
from events.phone import TransferHeard, TransferRequested
from libs.config.providers import CALLING_FLOW, has_flows
from libs.domain.contact import is_stranger
from libs.domain.phone import VOICE, Phone
from libs.domain.statemap import Fired
from libs.domain.transfer import somebody_is_there, transfer_of
from services.orchestrator import process
from services.orchestrator.story import Story

LONGEST_WHISPER = 300


def hand_over(story: Story, phone: Phone, reason: str) -> bool:
    """Have a person take over in this call; False where none may be rung now, or the call's line leads to nobody."""
    bundle = story.known.current
    if not somebody_is_there(transfer_of(bundle.settings.voice), story.now, bundle.policy.timezone):
        return False
    channel = bundle.settings.channels.get(VOICE)
    if channel is None or not has_flows(channel.provider):
        return False
    if not (phone.came_in or channel.credentials.get(CALLING_FLOW)):
        return False
    if phone.call not in story.conversation.handed_over:
        whisper = _whisper(story, phone, reason)
        story.tell(TransferRequested(call=phone.call, reason=reason, whisper=whisper, matter=phone.matter))
    return True


def by_the_flow(story: Story) -> None:
    """A step of the flow has said that a person takes over: in the call that is on, where that can be."""
    phone = story.conversation.phone
    if story.hands_over is not None and phone is not None and phone.live:
        hand_over(story, phone, story.hands_over)


def heard(story: Story, call_id: str, event: call.TransferOver) -> None:
    """A person has talked with them, or nobody has: the process hears it, and who was not reached stays for a person."""
    handed = story.conversation.handed_over.get(call_id)
    if handed is None:
        return
    story.tell(TransferHeard(call=call_id, outcome=event.outcome, seconds=event.seconds))
    talked = event.outcome == "talked"
    matter = story.conversation.matters.get(handed.matter or "")
    if matter is not None and matter.settled is None and story.conversation.open:
        process.fire(story, matter.id, Fired("outcome", "transferred" if talked else "transfer_failed"))
    if not talked and not story.known.consent.erasing:
        words = "wanted a person on the phone, and nobody took the call: call them"
        story.tell(Escalated(reason=words, matter=handed.matter))


def _whisper(story: Story, phone: Phone, reason: str) -> str:
    """What the person hears before the contact: who it is, about what, and what they want; of a matter only where that may be named."""
    name = "somebody whom we do not know" if is_stranger(story.contact.id) else story.names(None).contact_name
    matter = story.conversation.matters.get(phone.matter or "")
    about = f" About {matter.entity_type} {matter.entity_id}." if matter is not None and phone.known else ""
    if not phone.known:
        name = "a caller who has not said who they are"
    return f"Call from {name}.{about} They said: {reason}"[:LONGEST_WHISPER]
