"""WhatsApp over Meta's Graph API: one call a message, one signed webhook for all that comes back."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import httpx
from litestar.types import ControllerRouterHandler

from events.base import Recorded
from events.conversation import MessageRequested
from libs.channels.outcome import Outcome, Refused, Retry
from libs.config.bundle import Bundle
from libs.kit.buckets import Limits
from libs.kit.effect_kinds import Kind
from libs.kit.serve import Loop
from services.gateways.desk import Desk
from services.gateways.port import Tools
from services.gateways.settings import WHATSAPP, Settings
from services.gateways.whatsapp import marks as whatsapp_marks
from services.gateways.whatsapp import webhook as whatsapp_webhook
from services.gateways.whatsapp.call import Graph
from services.gateways.whatsapp.door import WhatsAppDoor, door_of
from services.gateways.whatsapp.files import Files
from services.gateways.whatsapp.heard import id_of
from services.gateways.whatsapp.marks import Marks
from services.gateways.whatsapp.rows import FETCH, MARK_READ
from services.gateways.whatsapp.templates import Templates
from services.gateways.whatsapp.voice import Ears
from services.gateways.whatsapp.write import Saying, saying


class WhatsApp:
    """The adapter of the WhatsApp Cloud API."""

    channel = WHATSAPP
    limits = Limits(rate=80, burst=80, concurrency=40)  # messages a second of one number, in and out
    evidence = timedelta(minutes=10)

    def __init__(self, settings: Settings, tools: Tools, client: httpx.AsyncClient) -> None:
        self._settings = settings
        self._store = tools.store
        self._graph = Graph(client)
        self._files = Files(settings, tools, self._graph, Ears(settings, client))
        self._marks = Marks(settings, tools, self._graph)
        self._templates = Templates(settings, tools, self._graph)

    def door(self, bundle: Bundle) -> WhatsAppDoor:
        return door_of(self._settings, bundle)

    def write(
        self, intent: Recorded[MessageRequested], door: WhatsAppDoor, bundle: Bundle, now: datetime
    ) -> Saying | Refused:
        body = intent.event.body
        if body.template_name:
            language = body.language or "en"
            if refused := self._templates.refusal(intent.tenant, door, body.template_name, language):
                return refused
        return saying(intent, door, bundle.templates.get(WHATSAPP, {}).get(body.template or ""))

    async def prepare(self, tenant: str, request: Saying, door: WhatsAppDoor) -> Saying | Refused | Retry:
        if request.answers is not None:
            request = request.answering(await id_of(self._store, tenant, request.answers))
        if request.upload is None:
            return request
        media_id = await self._files.upload(tenant, request.upload, door)
        return request.uploaded(media_id) if isinstance(media_id, str) else media_id

    async def send(self, request: Saying, door: WhatsAppDoor, attempt: int) -> Outcome:
        call = request.request(door)
        return call if isinstance(call, Refused) else await self._graph.say(call, door, attempt)

    def routes(self, desk: Desk) -> Sequence[ControllerRouterHandler]:
        return whatsapp_webhook.routes(desk, self.door, self._templates)

    def loops(self) -> Sequence[Loop]:
        return (Loop("whatsapp templates", self._templates.run), Loop("whatsapp marks", self._marks.run))

    def kinds(self) -> Mapping[str, Kind]:
        return {FETCH: self._files.kind(), MARK_READ: self._marks.kind()}

    def accounts(self) -> Mapping[str, Limits]:
        return {FETCH: replace(self.limits, rate=20, burst=20, concurrency=8), MARK_READ: whatsapp_marks.LIMITS}

    def health(self) -> Mapping[str, str]:
        return self._templates.health()

    async def close(self) -> None:
        """The HTTP client is shared, and the service's."""
