"""The paths of the emulated SMS providers, and the controls under `/_sandbox/sms`."""

from typing import Any
from urllib.parse import parse_qsl

import msgspec
from litestar import MediaType, Request, Response, Router, get, post, put
from litestar.params import FromPath, FromQuery, JSONBody

from services.sandbox import exotel_sms, sms_voice, sns
from services.sandbox.exotel import ExotelError
from services.sandbox.exotel_sms import Exotel
from services.sandbox.settings import SmsTemplate
from services.sandbox.sms_network import Message, Network, Provider, Saying, SmsFault
from services.sandbox.sms_voice import SmsVoice
from services.sandbox.sms_webhook import Delivery
from services.sandbox.sns import AwsError, Sns
from services.sandbox.sns_topic import CERTIFICATE, Topic, Version
from services.sandbox.state import deliver

BASE = "/sandbox/sms"
"""The path to append to the origin; the gateways append `/exotel`, `/sns` or `/sms-voice`."""

AnyRequest = Request[Any, Any, Any]


class Callback(msgspec.Struct, frozen=True):
    """Where webhooks go (`…/webhooks/sms`). With `subscribe` SNS's topic asks first, as AWS does."""

    url: str
    subscribe: bool = False


class Budget(msgspec.Struct, frozen=True):
    """How many segments may be sent before the account's money is used up; None: any number."""

    segments: int | None


class Delivering(msgspec.Struct, frozen=True):
    """How the topic posts."""

    version: Version = "2"
    raw: bool = False


class Numbers(msgspec.Struct, frozen=True, kw_only=True):
    """Lists of phones in E.164; one that is left out stays as it is."""

    opted_out: list[str] | None = None
    do_not_disturb: list[str] | None = None
    unreachable: list[str] | None = None


class SmsProviders:
    """The three providers over one network."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.topic = Topic(network.settings.topic, lambda: f"{network.origin or ''}{BASE}/sns")
        self.exotel = Exotel(network)
        self.sns = Sns(network, self.topic)
        self.sms_voice = SmsVoice(network, self.topic)

    def reset(self) -> None:
        """As at the start; where webhooks go stays."""
        self.network.reset()
        self.sns.logs.clear()
        self.topic.version = "2"
        self.topic.raw_delivery = False


def apis(sms: SmsProviders) -> Router:
    """What clients of the real providers call."""
    network = sms.network

    @post("/exotel/v1/Accounts/{account:str}/Sms/{operation:str}", status_code=200)
    async def exotel_send(account: FromPath[str], operation: FromPath[str], request: AnyRequest) -> Response[bytes]:
        _notice(network, request)
        as_json = operation.endswith(".json")
        if operation.removesuffix(".json") != "send":
            return _json({"RestException": {"Status": 404, "Message": "Not found", "Code": 404}}, 404)
        try:
            form = dict(parse_qsl((await request.body()).decode(), keep_blank_values=True))
            answer, fault = await sms.exotel.take(account, request.headers.get("authorization", ""), form)
        except ExotelError as error:
            headers = {"retry-after": str(error.retry_after)} if error.retry_after is not None else {}
            return _json(error.body(), error.status, headers)
        if as_json or not answer:
            return await deliver(_json(answer), fault.answer, request, fault.seconds)
        return Response(exotel_sms.xml(answer).encode(), media_type=MediaType.XML)

    @get("/exotel/v1/Accounts/{account:str}", sync_to_thread=False)
    def exotel_account(account: FromPath[str], request: AnyRequest) -> Response[bytes]:
        try:
            told = sms.exotel.account(account.removesuffix(".json"), request.headers.get("authorization", ""))
        except ExotelError as error:
            return _json(error.body(), error.status)
        return _json(told)

    @post("/sns", status_code=200)
    async def sns_query(request: AnyRequest) -> Response[bytes]:
        _notice(network, request)
        form = dict(parse_qsl((await request.body()).decode(), keep_blank_values=True))
        try:
            answer, fault = sms.sns.take(form, request.headers.get("authorization", ""))
        except AwsError as error:
            return _xml(sns.error_xml(error), error.status)
        return await deliver(_xml(answer), fault.answer, request, fault.seconds)

    @get("/sns", status_code=200, sync_to_thread=False)
    def sns_confirm(request: AnyRequest) -> Response[bytes]:
        query = request.query_params
        if query.get("Action") != "ConfirmSubscription" or not sms.topic.confirm(query.get("Token", "")):
            return _xml(sns.error_xml(AwsError("InvalidParameter", "Invalid parameter: Token")), 400)
        return _xml(sns.confirmed_xml(sms.topic.arn))

    @get(f"/sns/{CERTIFICATE}", sync_to_thread=False)
    def certificate() -> Response[bytes]:
        return Response(sms.topic.certificate, media_type="application/x-pem-file")

    @post("/sms-voice", status_code=200)
    async def voice_v2(request: AnyRequest) -> Response[bytes]:
        _notice(network, request)
        headers = request.headers
        try:
            answer, fault = await sms.sms_voice.take(
                headers.get("x-amz-target", ""), headers.get("authorization", ""), await request.body()
            )
        except AwsError as error:
            return _amz(sms_voice.error_json(error), error.status)
        return await deliver(_amz(answer), fault.answer, request, fault.seconds)

    return Router(
        BASE,
        route_handlers=[exotel_send, exotel_account, sns_query, sns_confirm, certificate, voice_v2],
        include_in_schema=False,
    )


def controls(sms: SmsProviders) -> Router:
    """What a test or a demo asks of the emulators themselves."""
    network = sms.network

    @get("/messages", sync_to_thread=False)
    def sent(
        reference: FromQuery[str | None] = None,
        to: FromQuery[str | None] = None,
        provider: FromQuery[Provider | None] = None,
    ) -> list[Message]:
        """Everything that was taken, oldest first, of one message id of ours, to one contact, by one provider."""
        return [
            each
            for each in network.messages
            if reference in (None, each.reference) and to in (None, each.to) and provider in (None, each.provider)
        ]

    @get("/webhooks", sync_to_thread=False)
    def webhooks() -> list[Delivery]:
        return list(network.webhooks.deliveries)

    @get("/logs", sync_to_thread=False)
    def logs() -> list[dict[str, Any]]:
        """SNS's delivery logs, as CloudWatch has them."""
        return sms.sns.logs

    @get("/requests", sync_to_thread=False)
    def requests() -> dict[str, int]:
        """How many calls came, refused ones too."""
        return {"requests": network.requests, "confirmed": sms.topic.confirmed}

    @post("/faults", sync_to_thread=False)
    def add_faults(data: JSONBody[SmsFault | list[SmsFault]]) -> dict[str, int]:
        for fault in data if isinstance(data, list) else [data]:
            network.faults.add(fault)
        return {"waiting": len(network.faults)}

    @post("/inbound")
    async def inbound(data: JSONBody[Saying], request: AnyRequest) -> dict[str, str]:
        _notice(network, request)
        await network.say(data)
        return {"status": "told"}

    @put("/callback")
    async def callback(data: JSONBody[Callback], request: AnyRequest) -> dict[str, bool]:
        """From now on webhooks go there; a subscription counts only once its SubscribeURL was got."""
        _notice(network, request)
        if data.subscribe:
            before = sms.topic.confirmed
            await network.webhooks.make(sms.topic.confirmation(data.url, network.now()), network.now())
            if sms.topic.confirmed == before:
                return {"subscribed": False}
        network.callback_url = data.url
        return {"subscribed": True}

    @put("/templates", sync_to_thread=False)
    def templates(data: JSONBody[list[SmsTemplate]]) -> dict[str, int]:
        """The texts that DLT has registered from now on; before, any was."""
        network.templates = tuple(data)
        return {"templates": len(data)}

    @put("/numbers", sync_to_thread=False)
    def numbers(data: JSONBody[Numbers]) -> dict[str, int]:
        """Who opted out, is on the do-not-disturb register, or out of reach."""
        for name in ("opted_out", "do_not_disturb", "unreachable"):
            if (given := getattr(data, name)) is not None:
                setattr(network, name, set(given))
        return {name: len(getattr(network, name)) for name in ("opted_out", "do_not_disturb", "unreachable")}

    @put("/budget", sync_to_thread=False)
    def budget(data: JSONBody[Budget]) -> dict[str, str]:
        network.budget = data.segments
        return {"status": "ok"}

    @put("/topic", sync_to_thread=False)
    def topic(data: JSONBody[Delivering]) -> dict[str, str]:
        sms.topic.version, sms.topic.raw_delivery = data.version, data.raw
        return {"status": "ok"}

    @post("/reset", sync_to_thread=False)
    def reset() -> dict[str, str]:
        sms.reset()
        return {"status": "as at the start"}

    handlers = [sent, webhooks, logs, requests, add_faults, inbound, callback, templates, numbers, budget, topic, reset]
    return Router("/_sandbox/sms", route_handlers=handlers, include_in_schema=False)


def _notice(network: Network, request: AnyRequest) -> None:
    """Envelopes name where SNS is: as it was called, unless the settings say."""
    network.origin = network.settings.origin or str(request.base_url).rstrip("/")


def _json(body: dict[str, Any], status: int = 200, headers: dict[str, str] | None = None) -> Response[bytes]:
    return Response(msgspec.json.encode(body), status_code=status, media_type="application/json", headers=headers)


def _amz(body: dict[str, Any], status: int = 200) -> Response[bytes]:
    return Response(msgspec.json.encode(body), status_code=status, media_type="application/x-amz-json-1.0")


def _xml(body: str, status: int = 200) -> Response[bytes]:
    return Response(body.encode(), status_code=status, media_type="text/xml")
