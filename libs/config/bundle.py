"""The compiled bundle: what services decide with, under the hash that their facts carry."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256
from typing import Any

import jmespath
import msgspec

from libs.config.model import (
    LLM_API_KEY,
    ChannelMode,
    Content,
    MessageTemplate,
    Price,
    Settings,
)
from libs.config.providers import FREE_TEXT, PriceUnit, Provider, is_live, provider_of
from libs.config.secrets import resolve
from libs.domain.flow import Flow
from libs.domain.policy import Policy
from libs.domain.rules import Rule
from libs.domain.statemap import StateMap


@dataclass(frozen=True, slots=True)
class Bundle:
    """A checked bundle. `hash` is the sha256 (hex) of `to_json()`, which holds secrets by name only."""

    hash: str
    settings: Settings
    rules: tuple[Rule, ...]
    state_maps: Mapping[str, StateMap]
    flows: Mapping[str, Flow]
    templates: Mapping[str, Mapping[str, MessageTemplate]]
    policy: Policy
    prices: tuple[Price, ...]
    mapping: Mapping[str, Mapping[str, Any]] = field(compare=False, repr=False)
    _json: bytes = field(compare=False, repr=False)

    @classmethod
    def of(cls, content: Content) -> "Bundle":
        """The bundle of a content, in the shape in which it will be read back."""
        return cls.from_json(msgspec.json.encode(content, order="sorted"))

    @classmethod
    def from_json(cls, stored: bytes) -> "Bundle":
        """A stored bundle, under the hash of exactly these bytes. Raises msgspec.ValidationError for other content."""
        content = msgspec.json.decode(stored, type=Content)
        return cls(
            hash=sha256(stored).hexdigest(),
            settings=content.settings,
            rules=content.rules,
            state_maps={each.process_type: each for each in content.state_maps},
            flows={each.id: each for each in content.flows},
            templates={
                channel: {each.id: each for each in texts} for channel, texts in sorted(content.templates.items())
            },
            policy=content.policy,
            prices=content.prices,
            mapping={
                endpoint: {name: jmespath.compile(expression) for name, expression in fields.items()}
                for endpoint, fields in content.settings.backend.mapping.items()
            },
            _json=stored,
        )

    def to_json(self) -> bytes:
        """The content that the hash is of, to be stored and read back with `from_json`."""
        return self._json

    def price(self, provider: str, unit: PriceUnit, at: date, category: str | None = None) -> Price | None:
        """The newest price that is effective on `at`; one without a category serves every category."""
        fitting = [
            price
            for price in self.prices
            if price.provider == provider
            and price.unit == unit
            and price.effective <= at
            and price.category in (category, None)
        ]
        return max(fitting, key=lambda price: (price.category is not None, price.effective), default=None)

    def channel_mode(self, channel: str, env: Mapping[str, str]) -> ChannelMode:
        """`live` with all its credentials, wherever its base_url points; `sandbox` without; `off` when not enabled.

        A channel that is not built yet or that the bundle does not name is off.
        """
        settings = self.settings.channels.get(channel)
        if settings is None or not settings.enabled or self.provider(channel) is None:
            return "off"
        return "live" if is_live(channel, settings.provider, settings.credentials, env) else "sandbox"

    def takes_free_text(self, channel: str, address: str) -> bool:
        """Whether any words may be said to `address` at any time: by channel, or where its settings say so (SMS abroad)."""
        settings = self.settings.channels.get(channel)
        abroad = tuple(settings.options.get("free_text_to") or ()) if settings else ()
        return channel in FREE_TEXT or address.startswith(abroad)

    def provider(self, channel: str) -> Provider | None:
        """What is known of the provider that a channel is set to use; None where the channel is not built."""
        settings = self.settings.channels.get(channel)
        return provider_of(channel, settings.provider) if settings else None

    def llm_mode(self, env: Mapping[str, str]) -> ChannelMode:
        """`live` with an API key, `sandbox` without."""
        return "live" if resolve(LLM_API_KEY, env) else "sandbox"

    def backend_mode(self, env: Mapping[str, str]) -> ChannelMode:
        """`live` with a base_url, `sandbox` without; production refuses to start without the credentials it needs."""
        return "live" if resolve(self.settings.backend.base_url, env) else "sandbox"
