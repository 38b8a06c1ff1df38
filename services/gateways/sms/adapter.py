"""SMS over Exotel, AWS SNS or AWS End User Messaging, as the bundle says: registered texts, and what comes back."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import httpx
from litestar.types import ControllerRouterHandler

from events.base import Recorded
from events.conversation import MessageRequested
from libs.channels import sms, sms_exotel, sms_pinpoint, sms_sns
from libs.channels.outcome import Outcome, Refused
from libs.config.bundle import Bundle
from libs.kit.auth import DEFAULT_TENANT
from libs.kit.serve import Loop
from services.gateways.desk import Desk
from services.gateways.settings import SMS, Settings
from services.gateways.sms import exotel as exotel_calls
from services.gateways.sms.aws import AwsCalls
from services.gateways.sms.door import AWS_LIMITS, EVIDENCE, AwsDoor, ExotelDoor, SmsDoor, door_of
from services.gateways.sms.routes import SmsRoutes
from services.gateways.sms.topic import Topics

Request = sms_exotel.Request | Mapping[str, Any]
"""A form of Exotel's, or the arguments of a call of AWS's client."""


class Sms:
    """The adapter of SMS. `timeout` bounds a whole call."""

    channel = SMS
    limits = AWS_LIMITS
    evidence = EVIDENCE

    def __init__(self, settings: Settings, client: httpx.AsyncClient, timeout: timedelta) -> None:
        self._settings = settings
        self._client = client
        self._aws = AwsCalls(timeout)
        self._topics = Topics(client)

    def door(self, bundle: Bundle) -> SmsDoor:
        return door_of(self._settings, bundle)

    def write(
        self, intent: Recorded[MessageRequested], door: SmsDoor, bundle: Bundle, now: datetime
    ) -> Request | Refused:
        return request(intent, door, bundle)

    async def send(self, request: Request, door: SmsDoor, attempt: int) -> Outcome:
        if isinstance(door, ExotelDoor):
            assert isinstance(request, sms_exotel.Request)
            return await exotel_calls.send(self._client, request, door)
        assert not isinstance(request, sms_exotel.Request)
        return await self._aws.send(request, door)

    def routes(self, desk: Desk) -> Sequence[ControllerRouterHandler]:
        """`POST /webhooks/sms` and what is below it."""
        return SmsRoutes(desk, self._topics, self.door).handlers()

    def loops(self) -> Sequence[Loop]:
        """Gets AWS's client ready, and is over."""
        return (Loop("sms-aws", self._aws.warm),)

    async def close(self) -> None:
        self._aws.close()


def request(intent: Recorded[MessageRequested], door: SmsDoor, bundle: Bundle) -> Request | Refused:
    """The call that says it, in the words of the tenant's provider; in India as DLT has registered it, or not at all."""
    event = intent.event
    message = sms.admit(
        event.body.text,
        to=event.to,
        reference=str(intent.id),
        registered=registered(intent, bundle),
        rules=door.rules,
    )
    if isinstance(message, Refused):
        return message
    options = door.options
    price = f"{options.max_price:.5f}" if options.max_price is not None else None
    match door:
        case ExotelDoor():
            sender, callback = options.sender_id or "", status_callback(door, intent.tenant)
            return sms_exotel.write(message, account_sid=door.account_sid, sender=sender, callback=callback)
        case AwsDoor(provider="sns"):
            return sms_sns.write(message, sender=options.sender_id, max_price=price)
        case AwsDoor():
            return sms_pinpoint.write(
                message,
                sender=options.sender_id,
                tenant=intent.tenant,
                configuration_set=options.configuration_set,
                max_price=price,
                ttl_seconds=options.ttl_seconds,
            )


def registered(intent: Recorded[MessageRequested], bundle: Bundle) -> sms.Registered | None:
    """The registered text that an intent fills, as the current bundle has it; None for free words, or without DLT ids."""
    body = intent.event.body
    template = bundle.templates.get(SMS, {}).get(body.template or "")
    if template is None or template.dlt is None:
        return None
    return sms.Registered(
        entity_id=template.dlt.entity_id,
        template_id=template.dlt.template_id,
        filled=template.filled(body.variables),
        variables=body.variables,
        promotional=template.category == "marketing",
    )


def status_callback(door: ExotelDoor, tenant: str) -> str | None:
    """Where Exotel tells what became of a message; None where nobody outside reaches us."""
    if door.webhook_base_url is None:
        return None
    scope = "" if tenant == DEFAULT_TENANT else f"/{tenant}"
    return f"{door.webhook_base_url}/webhooks{scope}/sms/{door.webhook_secret}/status"
