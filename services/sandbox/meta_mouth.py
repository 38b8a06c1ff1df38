"""How people speak on WhatsApp: what they do becomes Meta's inbound message."""

import base64
from collections.abc import Awaitable, Callable
from typing import Any

from services.sandbox.contact_script import File, Utterance
from services.sandbox.meta_media import Media
from services.sandbox.meta_webhook import Saying

Keep = Callable[[File], Media]


class WhatsAppMouth:
    """Speaks through the emulated Graph API; `say` posts the webhook, `keep` takes a file to be fetched."""

    def __init__(self, say: Callable[[Saying], Awaitable[str]], keep: Keep) -> None:
        self._say = say
        self._keep = keep

    async def say(self, utterance: Utterance) -> None:
        answers = utterance.answers
        await self._say(
            Saying(
                sender=utterance.address,
                text=utterance.text,
                message=_message(utterance, self._keep),
                phone_id=answers.account if answers else None,
                quoted=answers.id if answers else None,
            )
        )


def _message(utterance: Utterance, keep: Keep) -> dict[str, Any] | None:
    """What is not plain text, as Meta writes it."""
    if utterance.press is not None:
        reply = {"id": utterance.press.id, "title": utterance.press.title}
        return {"type": "interactive", "interactive": {"type": "button_reply", "button_reply": reply}}
    if utterance.file is not None:
        return _media(utterance.file, keep(utterance.file))
    if utterance.unsubscribe:
        return {"type": "text", "text": {"body": "STOP"}}
    return None


def _media(file: File, kept: Media) -> dict[str, Any]:
    kind = {"image": "image", "audio": "audio", "video": "video"}.get(file.media_type.partition("/")[0], "document")
    digest = base64.b64encode(bytes.fromhex(kept.sha256)).decode()  # as Meta's webhooks write it
    media: dict[str, Any] = {"id": kept.id, "mime_type": file.media_type, "sha256": digest}
    if kind == "document" and file.name:
        media["filename"] = file.name
    if kind == "audio":
        media["voice"] = file.voice
    return {"type": kind, kind: media}
