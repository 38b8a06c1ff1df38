"""Files over WhatsApp: ours are uploaded before they are sent; a contact's are fetched, checked, sealed, and heard."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from events.base import Draft, Recorded
from events.inbound import Fetched, FetchFailed, Received
from events.values import Attachment
from libs.channels import outcome as told
from libs.channels.whatsapp_media import (
    LARGEST_KEPT,
    hex_digest,
    is_as_told,
    media_path,
    read_place,
    read_upload,
    too_large,
    upload_path,
)
from libs.channels.whatsapp_message import file_kind
from libs.channels.whatsapp_outcome import error_of, meaning
from libs.config.bundle import Bundle
from libs.kit import telemetry
from libs.kit.crypto import Tampered
from libs.kit.effect_kinds import Claim, Done, Kind, Outcome, Refused, Retry, Withheld
from libs.kit.http import TooLarge
from libs.kit.objects import ObjectErased, ObjectMissing, ObjectsAway
from services.gateways.port import Tools
from services.gateways.settings import WHATSAPP, ChannelOff, Settings
from services.gateways.whatsapp.call import Answer, Graph
from services.gateways.whatsapp.door import WhatsAppDoor, door_of
from services.gateways.whatsapp.voice import Ears, Never, NotNow

TIMEOUT = timedelta(seconds=60)
ATTEMPTS = 6
MENDED_AFTER_S = 900.0
NO_STORE = "no object store is set: give CONVERSE_OBJECTS_URL"

_FILES = telemetry.counter("files", "Files that came in, by channel and what became of them.", "channel", "outcome")
_VOICE = telemetry.counter("voice_notes", "Voice notes by what became of their words.", "outcome")


@dataclass(frozen=True, slots=True)
class _Content:
    """A file that was fetched."""

    attachment: Attachment
    content: bytes


class Files:
    """Carries files between Meta and the object store."""

    def __init__(self, settings: Settings, tools: Tools, graph: Graph, ears: Ears) -> None:
        self._settings = settings
        self._tools = tools
        self._graph = graph
        self._ears = ears

    async def upload(self, tenant: str, attachment: Attachment, door: WhatsAppDoor) -> str | told.Refused | told.Retry:
        """Meta's id of a file of ours. Nothing is sent by this, so whatever goes wrong may be repeated."""
        objects = self._tools.objects
        if objects is None or attachment.object is None:
            return told.Refused(131053, NO_STORE, "message")
        try:
            content = await objects.get(tenant, attachment.object)
        except (ObjectMissing, ObjectErased, Tampered) as gone:
            return told.Refused(131053, f"the file cannot be read: {type(gone).__name__}", "message")
        except ObjectsAway as away:
            return told.Retry(str(away))
        if refused := too_large(file_kind(attachment.media_type), len(content)):
            return refused
        answer = await self._graph.upload(
            upload_path(door.phone_id), door, content, attachment.media_type, attachment.name or "file"
        )
        media_id = read_upload(answer.body) if answer.well else None
        return media_id or _refused_upload(answer)

    def kind(self) -> Kind:
        """The effect `whatsapp.fetch`: asking for a file twice does no harm."""
        return Kind(
            perform=self.perform,
            withheld=_not_fetched,
            dead=_not_fetched,
            after_unknown="repeat",
            timeout=TIMEOUT,
            attempts=ATTEMPTS,
        )

    async def perform(self, claim: Claim) -> Outcome:
        """Fetch every file that a message announced, keep it, and hear what a voice note says."""
        intent: Recorded[Received] = claim.intent
        bundle = await self._tools.bundles.current(claim.tenant)
        objects = self._tools.objects
        try:
            door = door_of(self._settings, bundle)
        except ChannelOff as off:
            return Withheld(str(off))
        if objects is None:
            return Refused(_not_fetched(intent, NO_STORE))
        claim.begin_call()
        kept: list[Attachment] = []
        words: list[str] = []
        for part, announced in enumerate(intent.event.attachments):
            fetched = await self._fetch(announced, door)
            match fetched:
                case told.Retry(reason, seconds):
                    return Retry(reason, None if seconds is None else timedelta(seconds=seconds))
                case told.Refused(reason=reason):
                    return Refused(_not_fetched(intent, reason))
            try:
                name = await objects.put(claim.tenant, intent.stream, str(part), fetched.content)
            except ObjectErased:
                return Refused(_not_fetched(intent, "what the contact sent was erased meanwhile"))
            except ObjectsAway as away:
                return Retry(str(away), trouble=False)
            kept.append(_kept(fetched, name))
            if announced.voice:
                heard = await self._hear(fetched.content, bundle, last=claim.attempt >= ATTEMPTS)
                if isinstance(heard, Retry):
                    return heard
                words += [heard] if heard else []
        _FILES.labels(WHATSAPP, "fetched").inc(len(kept))
        return Done([Draft(intent.stream, Fetched(attachments=kept, transcript="\n".join(words) or None))])

    async def _fetch(self, announced: Attachment, door: WhatsAppDoor) -> _Content | told.Retry | told.Refused:
        answer = await self._graph.get(media_path(announced.provider_id or ""), door)
        place = read_place(answer.body) if answer.well else None
        if place is None:
            return _unfetched(answer)
        kind = file_kind(place.media_type or announced.media_type)
        if place.size is not None and (refused := too_large(kind, place.size)):
            return refused
        try:
            answer = await self._graph.download(place.url, door, most=LARGEST_KEPT)
        except TooLarge:
            return told.Refused(131052, f"the file has more than {LARGEST_KEPT} bytes", "message")
        if not answer.well:
            # The place is good for five minutes only: the next attempt asks for another.
            return told.Retry(f"Meta answered {answer.status} for the file", answer.retry_after)
        if refused := too_large(kind, len(answer.body)):
            return refused
        if not is_as_told(answer.body, place.sha256, hex_digest(announced.sha256)):
            return told.Retry("the file is not what Meta announced: its sha256 differs")
        return _Content(announced, answer.body)

    async def _hear(self, audio: bytes, bundle: Bundle, *, last: bool) -> str | Retry:
        """The words of a voice note; none where nothing is understood, or not in all the attempts that there are."""
        match await self._ears.hear(audio, bundle):
            case NotNow(reason, seconds) if not last:
                return Retry(reason, None if seconds is None else timedelta(seconds=seconds), trouble=False)
            case NotNow() | Never():
                _VOICE.labels("failed").inc()
                return ""
            case words:
                _VOICE.labels("heard" if words.text else "silent").inc()
                return words.text


def _kept(fetched: _Content, name: str) -> Attachment:
    given = fetched.attachment
    return Attachment(
        media_type=given.media_type,
        name=given.name,
        size=len(fetched.content),
        object=name,
        provider_id=given.provider_id,
        sha256=hashlib.sha256(fetched.content).hexdigest(),
        voice=given.voice,
    )


def _not_fetched(intent: Recorded[Any], reason: str) -> Sequence[Draft]:
    _FILES.labels(WHATSAPP, "failed").inc()
    return [Draft(intent.stream, FetchFailed(reason=reason))]


def _unfetched(answer: Answer) -> told.Retry | told.Refused:
    """Why Meta did not say where the file lies: one that it no longer has is refused with code 100 or 404."""
    if not isinstance(answer.status, int):
        return told.Retry("Meta did not answer")
    error = error_of(answer.body)
    known = meaning(*error) if error else None
    if isinstance(known, told.Refused) and known.scope == "account":
        return told.Retry(known.reason, MENDED_AFTER_S)  # Meta keeps the file for days; the account will be mended
    if known is not None:
        return known
    if answer.status in (400, 404, 410):
        return told.Refused(131052, f"Meta does not have the file: {answer.status}", "message")
    return told.Retry(f"Meta answered {answer.status}", answer.retry_after)


def _refused_upload(answer: Answer) -> told.Refused | told.Retry:
    if not isinstance(answer.status, int):
        return told.Retry("the upload got no answer")
    error = error_of(answer.body)
    known = meaning(*error) if error else None
    if known is not None:
        return known
    if answer.status == 429 or answer.status >= 500 or answer.well:
        return told.Retry(f"Meta answered {answer.status} to the upload", answer.retry_after)
    return told.Refused(131053, f"Meta refused the upload with {answer.status}", "message")
