"""References from one part of a bundle to another: endpoints, flows, templates, channels, processes."""

from collections.abc import Collection

from libs.config.findings import Findings, suggest
from libs.config.model import CHANNELS, Settings
from libs.config.parsed import Parsed
from libs.config.providers import BUILT_CHANNELS
from libs.config.tree import Node

MATCH_KEYS = ("entity_id", "entity_type", "process_type", "contact_id")


class References:
    """Looks names up in the bundle and says which ones lead nowhere. An empty name has been reported before."""

    def __init__(self, parsed: Parsed, found: Findings) -> None:
        self.settings: Settings = parsed.settings.value
        self.found = found
        self.flows = frozenset(each.value.id for each in parsed.flows)
        self.processes = frozenset(each.value.process_type for each in parsed.state_maps)
        self._parsed = parsed

    def flow(self, name: str | None, node: Node) -> None:
        self._known(name, self.flows, node, "flow")

    def process(self, name: str | None, node: Node) -> None:
        self._known(name, self.processes, node, "state map")

    def endpoint(self, name: str, payload: Collection[str], node: Node, payload_node: Node) -> None:
        """The endpoint is known, and the payload names what its path needs."""
        endpoints = self.settings.backend.endpoints
        if not self._known(name, endpoints, node, "endpoint"):
            return
        for parameter in endpoints[name].parameters:
            if parameter not in payload:
                self.found.error(
                    payload_node,
                    f"the path {endpoints[name].path} needs {parameter!r}, which the payload does not name",
                    suggest(parameter, payload, otherwise="it names") if payload else f"add `{parameter}: …`",
                )

    def channel(self, name: str, node: Node) -> None:
        """A channel of the grammar; a warning when it is one that cannot be used."""
        if name not in CHANNELS:
            self.found.error(node, f"{name!r} is no channel", suggest(name, CHANNELS))
        elif name not in BUILT_CHANNELS:
            self.found.warn(node, f"the channel {name} is not built yet", "ladders skip it")
        elif name not in self.settings.channels:
            self.found.warn(node, f"the channel {name} is not among the settings: it is off", f"add channels.{name}")
        elif not self.settings.channels[name].enabled:
            self.found.warn(node, f"the channel {name} is not enabled: ladders skip it", "set enabled: true")

    def template(self, channel: str, name: str, node: Node) -> None:
        known = self._parsed.template_ids(channel)
        if name not in known:
            hint = suggest(name, known) or f"write it in templates/{channel}.yaml"
            self.found.error(node, f"{channel} has no template {name!r}", hint)

    def any_template(self, name: str, node: Node) -> None:
        """A template of at least one channel."""
        known = {each for channel in self._parsed.templates for each in self._parsed.template_ids(channel)}
        self._known(name, known, node, "template")

    def priced(self, currency: str, node: Node) -> None:
        """The models of Claude have prices in a currency: else no limit in it can be kept."""
        known = {(each.value.category, each.value.unit, each.value.currency) for each in self._parsed.prices}
        for model in (self.settings.llm.model, self.settings.llm.fallback_model):
            if model and not {(model, "token_in", currency), (model, "token_out", currency)} <= known:
                self.found.error(
                    node, f"{model} has no price in {currency}: this limit could not be kept", "add it to prices.yaml"
                )

    def match(self, node: Node | None) -> None:
        """What a match may compare with an event's data."""
        for key, child in node.keys.items() if node is not None else ():
            if key not in MATCH_KEYS:
                self.found.error(child, f"nothing is matched by {key!r}", suggest(key, MATCH_KEYS), line=child.key_line)

    def _known(self, name: str | None, known: Collection[str], node: Node, what: str) -> bool:
        if not name or name in known:
            return bool(name)
        self.found.error(node, f"there is no {what} {name!r}", suggest(name, known))
        return False
