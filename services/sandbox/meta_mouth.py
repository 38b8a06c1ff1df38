"""How people speak on WhatsApp: what they do becomes Meta's inbound message."""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any

from services.sandbox.contact_script import File, Utterance
from services.sandbox.meta_webhook import Saying


class WhatsAppMouth:
    """Speaks through the emulated Graph API; `say` posts the webhook."""

    def __init__(self, say: Callable[[Saying], Awaitable[str]]) -> None:
        self._say = say

    async def say(self, utterance: Utterance) -> None:
        answers = utterance.answers
        await self._say(
            Saying(
                sender=utterance.address,
                text=utterance.text,
                message=_message(utterance),
                phone_id=answers.account if answers else None,
                quoted=answers.id if answers else None,
            )
        )


def _message(utterance: Utterance) -> dict[str, Any] | None:
    """What is not plain text, as Meta writes it."""
    if utterance.press is not None:
        reply = {"id": utterance.press.id, "title": utterance.press.title}
        return {"type": "interactive", "interactive": {"type": "button_reply", "button_reply": reply}}
    if utterance.file is not None:
        return _media(utterance.file)
    if utterance.unsubscribe:
        return {"type": "text", "text": {"body": "STOP"}}
    return None


def _media(file: File) -> dict[str, Any]:
    kind = {"image": "image", "audio": "audio", "video": "video"}.get(file.media_type.partition("/")[0], "document")
    digest = hashlib.sha256(file.content)
    media: dict[str, Any] = {
        "id": str(int(digest.hexdigest()[:12], 16)),
        "mime_type": file.media_type,
        "sha256": digest.hexdigest(),
    }
    if kind == "document" and file.name:
        media["filename"] = file.name
    if kind == "audio":
        media["voice"] = file.voice
    return {"type": kind, kind: media}
