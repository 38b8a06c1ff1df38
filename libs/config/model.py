"""What a bundle holds beside rules, maps, flows and policy: settings, message templates and prices."""

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any, Literal

import msgspec

from libs.config.providers import PriceUnit
from libs.domain.flow import Flow
from libs.domain.policy import Policy
from libs.domain.rules import Rule
from libs.domain.statemap import StateMap

CHANNELS = ("voice", "whatsapp", "email", "sms", "chat")

LLM_API_KEY = "${CONVERSE_LLM_API_KEY}"

ChannelMode = Literal["live", "sandbox", "off"]
AuthType = Literal["none", "bearer", "basic", "api_key", "oauth2_client_credentials"]
TemplateCategory = Literal["utility", "marketing", "authentication", "service"]


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """An address of the ERP below `base_url`; without a method a tool reads (GET) and a writeback writes (PUT)."""

    path: str
    method: str | None = None

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names in the path: values of the payload that fill it and leave the body."""
        return tuple(re.findall(r"\{(\w+)\}", self.path))

    @property
    def read_method(self) -> str:
        return self.method or "GET"

    @property
    def write_method(self) -> str:
        return self.method or "PUT"


class Backend(msgspec.Struct, frozen=True, kw_only=True):
    """The ERP. Without a `base_url` it is the sandbox's. `mapping`: endpoint -> field -> JMESPath."""

    type: Literal["rest"] = "rest"
    base_url: str | None = None
    auth_type: AuthType = "none"
    auth_credentials: dict[str, str] = {}
    endpoints: dict[str, Endpoint] = {}
    mapping: dict[str, dict[str, str]] = {}
    poll_minutes: int | None = None


class LlmBudget(msgspec.Struct, frozen=True, kw_only=True):
    """What Claude may cost one conversation: tokens (all kinds together), and money by currency in millionths."""

    tokens: int | None = 500_000
    money: dict[str, int] = {}


class LlmSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Claude. Without a `base_url`: Anthropic's own with a key, the sandbox's without."""

    base_url: str | None = None
    model: str = "claude-haiku-5-5"
    fallback_model: str | None = None
    max_tokens: int = 600
    budget: LlmBudget = LlmBudget()


class ChannelSettings(msgspec.Struct, frozen=True, kw_only=True):
    """One channel's provider. `credentials` hold `${NAME}` references; `options` what only one channel knows."""

    enabled: bool = True
    provider: str = ""
    base_url: str | None = None
    websocket_url: str | None = None
    credentials: dict[str, str] = {}
    test_recipients: tuple[str, ...] = ()
    default_template: str | None = None
    options: dict[str, Any] = {}


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    webhook_base_url: str | None = None
    database_url: str | None = None
    nats_url: str | None = None
    debug: bool = False
    backend: Backend = Backend()
    llm: LlmSettings = LlmSettings()
    channels: dict[str, ChannelSettings] = {}
    voice: dict[str, Any] = {}


class Dlt(msgspec.Struct, frozen=True, kw_only=True):
    """What India's DLT registered an SMS text under."""

    entity_id: str
    template_id: str


class TemplateVariable(msgspec.Struct, frozen=True, kw_only=True):
    """A placeholder of a registered text: its name at the provider, and the template that gives its value."""

    name: str
    source: str


PLACEHOLDER = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}", re.DOTALL)
NAME = re.compile(r"[A-Za-z_]\w*(?:\.\w+)*")


class MessageTemplate(msgspec.Struct, frozen=True, kw_only=True):
    """A registered text. `variables` are the `{{ }}` of the body in order, each name once, then those of the components."""

    id: str
    name: str
    language: str
    category: TemplateCategory
    body: str
    components: list[Any] | None = None
    dlt: Dlt | None = None
    variables: tuple[TemplateVariable, ...] = ()

    @property
    def body_variables(self) -> tuple[str, ...]:
        """The names of the variables that the body has, in its order."""
        return tuple(variable.name for variable in self.variables if variable.source in self.body)

    def filled(self, values: Mapping[str, str]) -> str:
        """The registered text with these values in the places of its variables; one that has none stays as it is."""

        def value(place: re.Match[str]) -> str:
            name = NAME.match(place[1])
            return values.get(variable_name(name[0]), place[0]) if name else place[0]

        return PLACEHOLDER.sub(value, self.body)


def variable_name(path: str) -> str:
    """The name at the provider of the variable that a placeholder's path stands for: `contact.name` is contact_name."""
    return path.replace(".", "_").lower()


class Price(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider takes for `per` units, in major units of the currency (0.115 INR = 11.5 paise)."""

    provider: str
    unit: PriceUnit
    currency: str
    amount: Decimal
    effective: date
    per: int = 1
    category: str | None = None
    source: str | None = None

    def minor_units(self, quantity: int) -> Decimal:
        """The cost of `quantity` units in minor units (paise, cents), unrounded."""
        return self.amount * 100 * quantity / self.per


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """All that a bundle says: what is hashed, stored and read back. Secrets are in it by name only."""

    settings: Settings = Settings()
    rules: tuple[Rule, ...] = ()
    state_maps: tuple[StateMap, ...] = ()
    flows: tuple[Flow, ...] = ()
    templates: dict[str, tuple[MessageTemplate, ...]] = {}
    policy: Policy = Policy()
    prices: tuple[Price, ...] = ()
