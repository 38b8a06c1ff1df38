"""settings.yaml: the ERP, the LLM, the channels and their providers."""

import re
from collections.abc import Mapping
from typing import get_args

import jmespath
from jmespath.exceptions import JMESPathError

from libs.config.fields import Fields, as_text
from libs.config.findings import Findings, suggest
from libs.config.model import (
    AuthType,
    Backend,
    ChannelSettings,
    Endpoint,
    LlmBudget,
    LlmSettings,
    Settings,
)
from libs.config.parse_around import parse_around
from libs.config.parse_plan import money
from libs.config.parse_policy import known_channel
from libs.config.parse_turns import parse_turns
from libs.config.parse_voice import COMPONENTS, check_profiles
from libs.config.providers import PROVIDERS
from libs.config.tree import Node

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
AUTH_TYPES: tuple[AuthType, ...] = get_args(AuthType)
AUTH_KEYS: Mapping[str, tuple[str, ...]] = {
    "none": (),
    "bearer": ("token",),
    "basic": ("username", "password"),
    "api_key": ("key", "header"),
}
TOP = ("webhook_base_url", "database", "nats", "debug", "backend", "llm", "channels", "voice")
VOICE = ("stt", "tts", "llm", "telephony")
PHONE = re.compile(r"^\+?\d{1,15}\*?$|^\+\*$")
ADDRESS = re.compile(r"^[^\s@*]+(@[^\s@*]*)?\*?$")


def parse_settings(node: Node, found: Findings) -> Settings:
    """The settings among the keys of the bundle's root."""
    fields = Fields(node, found, "the settings")
    backend, llm = fields.child("backend"), fields.child("llm")
    channels = fields.children("channels")
    voice = fields.child("voice")
    if voice is not None:
        _voice(voice, found)
    return Settings(
        webhook_base_url=_url(fields, "webhook_base_url", ("http", "https")),
        database_url=_place(fields, "database", found),
        nats_url=_place(fields, "nats", found),
        debug=fields.flag("debug") or False,
        backend=Backend() if backend is None else _backend(backend, found),
        llm=LlmSettings() if llm is None else _llm(llm, found),
        channels={
            name: _channel(name, each, found) for name, each in channels.items() if known_channel(name, each, found)
        },
        voice={} if voice is None or voice.kind != "mapping" else voice.plain(),
    )


def _place(fields: Fields, key: str, found: Findings) -> str | None:
    node = fields.child(key)
    if node is None:
        return None
    inner = Fields(node, found, key)
    url = inner.text("url")
    inner.finish()
    return url


def _url(fields: Fields, key: str, schemes: tuple[str, ...]) -> str | None:
    """A base URL without its last slash; one that begins with a reference is taken as it is."""
    url = fields.text(key)
    if url is None:
        return None
    if not re.match(rf"^(({'|'.join(schemes)})://[^\s/]+|\$\{{\w+\}})\S*$", url):
        fields.found.error(fields.node.at(key), f"{url!r} is no address", f"write {schemes[-1]}://host/path")
    return url.rstrip("/")


def _backend(node: Node, found: Findings) -> Backend:
    fields = Fields(node, found, "the backend")
    kind = fields.choice("type", ("rest", "graphql", "grpc"))
    if kind in ("graphql", "grpc"):
        found.error(node.at("type"), f"the backend type {kind!r} is not built yet", "this release has rest")
    auth = fields.choice("auth_type", AUTH_TYPES)
    if auth == "oauth2_client_credentials":
        found.error(
            node.at("auth_type"), f"auth_type {auth!r} is not built yet", f"this release has {', '.join(AUTH_KEYS)}"
        )
    endpoints = {name: _endpoint(each, found) for name, each in fields.children("endpoints").items()}
    backend = Backend(
        base_url=_url(fields, "base_url", ("http", "https")),
        auth_type=next((each for each in AUTH_TYPES if each == auth), "none"),
        auth_credentials=fields.text_map("auth_credentials"),
        endpoints=endpoints,
        mapping=_mapping(fields.children("mapping"), endpoints, found),
        poll_minutes=_poll(fields.child("poll"), found),
    )
    fields.finish()
    known = AUTH_KEYS.get(backend.auth_type)
    if known is not None:
        for key in backend.auth_credentials:
            if key not in known:
                place = node.at("auth_credentials", key)
                found.error(
                    place, f"auth_type {backend.auth_type} has no {key!r}", suggest(key, known), line=place.key_line
                )
        for key in known:
            if key not in backend.auth_credentials and key != "header":
                found.error(
                    node.at("auth_credentials"),
                    f"auth_type {backend.auth_type} needs {key!r}",
                    f'add `{key}: "${{NAME}}"` to auth_credentials',
                )
    return backend


def _endpoint(node: Node, found: Findings) -> Endpoint:
    if node.kind == "mapping":
        fields = Fields(node, found, "an endpoint")
        endpoint = Endpoint(path=fields.need("path", like="/payments"), method=fields.choice("method", METHODS))
        fields.finish()
    else:
        endpoint = Endpoint(path=as_text(node, found) or "")
    if endpoint.path and (
        not endpoint.path.startswith("/") or not re.fullmatch(r"(?:[^{}\s]|\{\w+\})*", endpoint.path)
    ):
        place = node.at("path")
        found.error(
            place, f"{endpoint.path!r} is no path", "write /invoices/{invoice_id}: a slash first, names in {braces}"
        )
    return endpoint


def _mapping(
    asked: Mapping[str, Node], endpoints: Mapping[str, Endpoint], found: Findings
) -> dict[str, dict[str, str]]:
    mapping: dict[str, dict[str, str]] = {}
    for name, node in asked.items():
        if name not in endpoints:
            found.error(node, f"the mapping names no endpoint: {name!r}", suggest(name, endpoints), line=node.key_line)
        mapping[name] = {}
        if node.kind != "mapping":
            found.error(node, "a mapping gives a JMESPath for each field", "write {name: full_name}")
        for field, each in node.keys.items():
            expression = as_text(each, found)
            if expression is None:
                continue
            try:
                jmespath.compile(expression)
            except JMESPathError as error:
                reason = str(error).splitlines()[0]
                found.error(each, f"{expression!r} is no JMESPath: {reason}", "see jmespath.org")
            else:
                mapping[name][field] = expression
    return mapping


def _poll(node: Node | None, found: Findings) -> int | None:
    if node is None:
        return None
    fields = Fields(node, found, "poll")
    minutes = fields.whole("every_minutes", minimum=1, required=True, like="5")
    fields.finish()
    return minutes


def _llm(node: Node, found: Findings) -> LlmSettings:
    fields = Fields(node, found, "llm")
    usual = LlmSettings()
    llm = LlmSettings(
        base_url=_url(fields, "base_url", ("http", "https")),
        model=fields.text("model") or usual.model,
        fallback_model=fields.text("fallback_model"),
        max_tokens=fields.whole("max_tokens", minimum=1) or usual.max_tokens,
        budget=_budget(fields.child("budget"), found),
    )
    fields.finish()
    return llm


def _budget(node: Node | None, found: Findings) -> LlmBudget:
    """What Claude may cost one conversation."""
    if node is None:
        return LlmBudget()
    fields = Fields(node, found, "the budget of the LLM")
    budget = LlmBudget(
        tokens=fields.whole("tokens", minimum=1) or LlmBudget().tokens,
        money=money(fields, "money"),
    )
    fields.finish()
    return budget


def _channel(name: str, node: Node, found: Findings) -> ChannelSettings:
    fields = Fields(node, found, f"the channel {name}")
    enabled = fields.flag("enabled")
    providers = PROVIDERS.get(name)
    if providers is None and enabled is not False:
        found.warn(node, f"the channel {name} is not built yet: it stays off", "ladders skip it", line=node.key_line)
    provider = fields.choice("provider", tuple(providers), required=True) if providers else fields.text("provider")
    known = providers.get(provider or "") if providers else None
    options = known.options if known else ()
    recipients = fields.items("test_recipients")
    channel = ChannelSettings(
        enabled=enabled is not False,
        provider=provider or "",
        base_url=_url(fields, "base_url", ("http", "https")),
        websocket_url=_url(fields, "websocket_url", ("ws", "wss")),
        credentials=fields.text_map("credentials"),
        test_recipients=tuple(text for item in recipients if (text := _recipient(name, item, found))),
        default_template=fields.text("default_template"),
        options={key: value for key in options if (value := fields.data(key)) is not None},
    )
    fields.finish()
    for key in channel.credentials if known else ():
        if known is not None and key not in (names := (*known.credentials, *known.further)):
            place = node.at("credentials", key)
            found.error(
                place, f"the channel {name} has no credential {key!r}", suggest(key, names), line=place.key_line
            )
    return channel


def _recipient(channel: str, node: Node, found: Findings) -> str | None:
    text = as_text(node, found)
    pattern = PHONE if channel in ("whatsapp", "sms", "voice") else ADDRESS
    if text is not None and not pattern.match(text):
        like = "+91987651*" if pattern is PHONE else "someone@example.com"
        found.error(node, f"{text!r} is no address of {channel}", f"write {like}: a `*` may only end it")
        return None
    return text


def _voice(node: Node, found: Findings) -> None:
    fields = Fields(node, found, "voice")
    for key in VOICE:
        part = fields.child(key)
        if part is not None and key in COMPONENTS:
            check_profiles(key, part, found)
    parse_turns(fields, found)
    parse_around(fields, found)
    fields.finish()
