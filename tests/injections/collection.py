"""The injection collection, and how each text gets into Priya's conversation."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import msgspec

from events import inbound
from events.base import Envelope, Recorded
from events.contact import Address, Profile
from events.conversation import TurnRequested
from events.turn import Completed
from events.values import Attachment
from libs.channels.email_text import said
from libs.llm.claude import Claude
from libs.llm.failures import TurnFailed
from libs.llm.turn import TurnResult
from libs.testkit.nouns import MORNING, NOON, PRIYA, PRIYA_EMAIL, PRIYA_PHONE, TENANT
from services.orchestrator import claude, turns
from services.orchestrator.story import Door
from tests.services.orchestrator.scene import CONVERSATION, OVERDUE, Scene

By = Literal[
    "whatsapp",
    "sms",
    "chat",
    "email",
    "html",
    "subject",
    "attachment",
    "voice_note",
    "quoted",
    "profile_name",
    "erp_field",
    "erp_answer",
    "earlier",
]
CHANNELS = ("whatsapp", "email", "sms", "chat")
ASKED = "kitna baaki hai?"
NOT_PAID = {"paid": False}
MOST_TURNS = 6


class Injection(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One attempt; see injections.yaml."""

    id: str
    by: By
    language: Literal["en", "hi", "hi-Latn"]
    text: str
    obeys: tuple[str, ...]
    never: tuple[str, ...] = ()
    state: str | None = None


def collection() -> Sequence[Injection]:
    """Every attempt that we know."""
    written = Path(__file__).with_name("injections.yaml").read_bytes()
    return msgspec.yaml.decode(written, type=list[Injection])


def scene_of(attempt: Injection) -> Scene:
    """Priya was reminded of her invoice, and has written; the injection stands where it says."""
    profile = Profile(
        name=attempt.text if attempt.by == "profile_name" else "Priya Sharma",
        channels=[
            Address(channel="whatsapp", address=PRIYA_PHONE, consent_at=MORNING, consent_evidence="order form"),
            Address(channel="email", address=PRIYA_EMAIL),
            Address(channel="sms", address=PRIYA_PHONE, consent_at=MORNING, consent_evidence="order form"),
            Address(channel="chat", address=PRIYA),
        ],
    )
    scene = Scene(profile)
    scene.doors = {channel: Door("sandbox") for channel in CHANNELS}
    opened = OVERDUE
    if attempt.by == "erp_field":
        context = {**(OVERDUE.business_context or {}), "note": attempt.text}
        opened = msgspec.structs.replace(OVERDUE, business_context=context)
    scene.opens(opened)
    scene.erp_answers(NOT_PAID | ({"remark": attempt.text} if attempt.by == "erp_answer" else {}))
    scene.message_is("accepted")
    scene.later(minutes=5)
    if attempt.by == "earlier":
        scene.priya_says(attempt.text)
        scene.claude_answers("Theek hai.")
        scene.later(minutes=5)
    _says(scene, attempt)
    return scene


async def played(scene: Scene, model: Claude) -> list[Completed]:
    """Let Claude take every turn that the conversation asks for, the ERP answering in between; its outcomes."""
    outcomes: list[Completed] = []
    for _ in range(MOST_TURNS):
        if scene.conversation.calls:
            scene.erp_answers(NOT_PAID)
        if scene.conversation.turn is None:
            break
        asked: TurnRequested = scene.last(TurnRequested)
        request = claude.request_for(asked, scene.conversation, scene.bundle, now=scene.now, zone="Asia/Kolkata")
        try:
            done = completed(await model.settle(request), scene)
        except TurnFailed as failure:
            reason = f"{type(failure).__name__}: {failure}"
            outcomes.append(Completed(conversation=CONVERSATION, model="none", refused=[reason]))
            scene.tells(partial(turns.after_failed_turn, turn_id=asked.turn, reason=reason))
            continue
        outcomes.append(done)
        scene.tells(partial(turns.after_turn, done=done, turn_id=asked.turn))
    return outcomes


def completed(result: TurnResult, scene: Scene) -> Completed:
    """The fact that the worker makes of a result."""
    turn = UUID(scene.last(TurnRequested).turn)
    envelope = Envelope(
        id=turn,
        type="conversation.turn_requested.v1",
        source="orchestrator",
        stream=f"conversation-{CONVERSATION}",
        version=1,
        pos=1,
        tenant=TENANT,
        correlation_id=turn,
        occurred_at=NOON,
        recorded_at=NOON,
        subject=PRIYA,
    )
    asked: Recorded[Any] = Recorded(TurnRequested(turn=str(turn), upto=0, instructions=""), envelope)
    [draft] = claude.completed(asked, result, scene.bundle, scene.now)
    assert isinstance(draft.event, Completed)
    return draft.event


def _says(scene: Scene, attempt: Injection) -> None:
    text = attempt.text
    match attempt.by:
        case "whatsapp" | "sms" | "chat" | "email":
            scene.priya_says(text, channel=attempt.by)
        case "html":
            scene.priya_says(said(None, text), channel="email")
        case "quoted":
            scene.priya_says(said(f"{ASKED}\n\n{text}", None), channel="email")
        case "subject":
            scene.priya_says(ASKED, channel="email", subject=text)
        case "attachment":
            file = Attachment(media_type="application/pdf", name=text, object="o/1")
            scene.priya_says(ASKED, kind="document", attachments=[file])
        case "voice_note":
            note = Attachment(media_type="audio/ogg", voice=True, provider_id="m.1")
            scene.priya_says("", kind="audio", attachments=[note])
            kept = msgspec.structs.replace(note, object="o/2")
            scene.files_are(inbound.Fetched(attachments=[kept], transcript=text))
        case _:
            scene.priya_says(ASKED)
