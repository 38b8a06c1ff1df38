"""Settings against the environment and the profile, and what only the whole bundle shows: repeated ids, unused texts."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from libs.config.check_policy import policy_templates
from libs.config.findings import Findings
from libs.config.model import LLM_API_KEY, ChannelSettings
from libs.config.parsed import Parsed, Placed
from libs.config.providers import BUILT_CHANNELS, Provider, provider_of
from libs.config.references import References
from libs.config.secrets import missing, references
from libs.config.tree import Node
from libs.domain.flow import Generate, Say
from libs.domain.statemap import SendMessage

_BARE_NAME = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)")
"""A reference as a shell reads it; here only `${NAME}` is one."""
PLAIN_CREDENTIALS = frozenset(
    {"phone_id", "username", "header", "account_sid", "access_key_id", "sendgrid_public_key"}
)  # names, not secrets


def check_settings(parsed: Parsed, env: Mapping[str, str], profile: str, found: Findings) -> None:
    """With production's profile whatever would run in the sandbox is an error."""
    production = profile == "production"
    settings, root = parsed.settings.value, parsed.settings.node
    refer = References(parsed, found)
    for name, channel in settings.channels.items():
        node = root.at("channels", name)
        if channel.default_template and name in BUILT_CHANNELS:
            refer.template(name, channel.default_template, node.at("default_template"))
        _written_out(node.keys.get("credentials"), production, found)
        provider = provider_of(name, channel.provider)
        if channel.enabled and provider is not None:
            _credentials(name, provider, channel, node, env, production, found)
    for currency in settings.llm.budget.money:
        refer.priced(currency, root.at("llm", "budget", "money", currency))
    backend = root.at("backend")
    _written_out(backend.keys.get("auth_credentials"), production, found)
    _addresses(root, env, production, found)
    if production:
        if not settings.backend.base_url:
            found.error(backend, "production has no backend.base_url: the ERP would be the sandbox", "add `base_url:`")
        for key, text in settings.backend.auth_credentials.items():
            for name in missing({key: text}, env):
                found.error(backend.at("auth_credentials", key), f"{name} is not set", f"set {name} in the environment")
        if missing({"key": LLM_API_KEY}, env):
            (name,) = references(LLM_API_KEY)
            found.error(
                root.at("llm"), f"{name} is not set: Claude would be the sandbox", f"set {name} in the environment"
            )


def _credentials(
    name: str,
    provider: Provider,
    channel: ChannelSettings,
    node: Node,
    env: Mapping[str, str],
    production: bool,
    found: Findings,
) -> None:
    given, needed = channel.credentials, provider.credentials
    absent = [key for key in needed if key not in given]
    unset = {key: names for key, text in given.items() if key in needed and (names := missing({key: text}, env))}
    if production:
        for key in absent:
            found.error(
                node.at("credentials"), f"the channel {name} has no credential {key!r}", f'add `{key}: "${{NAME}}"`'
            )
        for key, names in unset.items():
            hint = f"set {names[0]} in the environment, or enabled: false"
            found.error(node.at("credentials", key), f"{names[0]} is not set: {name} would be the sandbox", hint)
    elif given and not found.errors_under(node) and len(absent) + len(unset) < len(needed):
        for key in (*absent, *unset):
            found.warn(
                node.at("credentials", key),
                f"the channel {name} has some credentials but not {key!r}: it stays in the sandbox",
                f"set {unset[key][0]} in the environment" if key in unset else f'add `{key}: "${{NAME}}"`',
            )


def _written_out(node: Node | None, production: bool, found: Findings) -> None:
    """A secret in the bundle would be stored with it."""
    for key, each in node.keys.items() if node is not None else ():
        if key in PLAIN_CREDENTIALS or not isinstance(each.value, str) or references(each.value):
            continue
        say = found.error if production else found.warn
        slip = _BARE_NAME.fullmatch(each.value)
        say(
            each,
            f"{key!r} is written out: it would be stored with the bundle",
            f'write "${{{slip[1] if slip else key.upper()}}}" and set it',
        )


def _addresses(root: Node, env: Mapping[str, str], production: bool, found: Findings) -> None:
    """Anything but a credential that refers to an unset name reads as left out."""
    for key, child in root.keys.items():
        for scalar in child.scalars():
            if "credentials" in scalar.path or not isinstance(scalar.value, str):
                continue
            for name in missing({key: scalar.value}, env):
                say = found.error if production else found.warn
                say(scalar, f"{name} is not set: the key reads as left out", f"set {name} in the environment")


def check_ids(parsed: Parsed, found: Findings) -> None:
    """Ids that are defined twice, within a file or across files."""
    _once(parsed.rules, "rule", "id", found)
    _once(parsed.state_maps, "state map", "process_type", found)
    _once(parsed.flows, "flow", "id", found)
    for channel, texts in parsed.templates.items():
        _once(texts, f"{channel} template", "id", found)
    prices: dict[tuple[Any, ...], Node] = {}
    for each in parsed.prices:
        price = each.value
        key = (price.provider, price.unit, price.category, price.currency, price.effective)
        first = prices.setdefault(key, each.node)
        if first is not each.node and price.provider:
            found.error(
                each.node,
                f"the price of {price.provider} per {price.unit} from {price.effective} is defined twice",
                f"it is defined in {first.file}:{first.line} already",
            )


def _once(placed: Iterable[Placed[Any]], what: str, key: str, found: Findings) -> None:
    first: dict[str, Node] = {}
    for each in placed:
        name = getattr(each.value, key)
        known = first.setdefault(name, each.node)
        if name and known is not each.node:
            found.error(
                each.node.at(key),
                f"the {what} {name!r} is defined twice",
                f"it is defined in {known.file}:{known.line} already",
            )


def check_use(parsed: Parsed, found: Findings) -> None:
    """Templates that nothing sends, and policy for processes that are not there."""
    for channel, texts in parsed.templates.items():
        settings = parsed.settings.value.channels.get(channel)
        used = {settings.default_template} if settings else set()
        used |= policy_templates(parsed.policy.value if parsed.policy else None).get(channel, set())
        for flow in parsed.flows:
            for step in flow.value.steps:
                if isinstance(step, Generate | Say):
                    used |= {step.templates.get(channel), step.several.get(channel)}
        for state_map in parsed.state_maps:
            for transition in state_map.value.transitions:
                used |= {each.template for each in transition.actions if isinstance(each, SendMessage)}
        for each in texts:
            if each.value.id and each.value.id not in used:
                found.warn(
                    each.node.at("id"),
                    f"nothing sends the template {each.value.id!r}",
                    "name it in a step, or leave it out",
                )
    if parsed.policy is not None:
        refer = References(parsed, found)
        for process, node in parsed.policy.node.at("purposes").keys.items() if parsed.policy.value.purposes else ():
            if process not in refer.processes:
                refer.process(process, node)
