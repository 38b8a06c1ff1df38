"""A scenario against its bundle: processes, states, endpoints, templates and intents that are not there cannot be expected."""

from collections.abc import Iterable, Iterator

from libs.config.bundle import Bundle
from libs.config.findings import Findings, suggest
from libs.config.scenario import Expect, Scenario
from libs.config.tree import Node
from libs.domain.statemap import StateMap


def check_scenario(scenario: Scenario, root: Node, bundle: Bundle, found: Findings) -> None:
    """Findings for every name that the bundle does not know."""
    state_map = bundle.state_maps.get(scenario.process)
    if state_map is None:
        node = root.at("process")
        found.error(
            node, f"the bundle has no process {scenario.process!r}", suggest(scenario.process, bundle.state_maps)
        )
        return
    if scenario.event is not None:
        _event(scenario.event.name, root.at("event", "name"), bundle, found)
    for channel, node in _items(scenario.persona.channels, root.at("persona", "channels")):
        if bundle.settings.channels.get(channel) is None:
            found.error(node, f"the bundle has no channel {channel!r}", suggest(channel, bundle.settings.channels))
    for place, step in enumerate(scenario.story):
        node = root.at("story", place)
        if step.event is not None:
            _event(step.event.name, node.at("event", "name"), bundle, found)
        if step.by_hand is not None:
            known = {value for each in _maps(bundle) for value in _triggers(each, "manual")}
            _known(step.by_hand, known, "manual trigger", node.at("operator"), found)
        _expect(step.expect, node.at("expect"), bundle, found)
    _expect(scenario.expect, root.at("expect"), bundle, found)
    for place, never in enumerate(scenario.never):
        node = root.at("never", place)
        _known(never.until, _states(bundle), "state", node.at("until"), found)
        if never.kind == "tool":
            _known(never.value, bundle.settings.backend.endpoints, "endpoint", node.at("tool"), found)
        elif never.kind == "state":
            _known(never.value, _states(bundle), "state", node.at("state"), found)
        elif never.kind == "template":
            _known(never.value, _templates(bundle), "template", node.at("template"), found)
        elif never.kind == "intent":
            _known(never.value, _intents(bundle), "intent", node.at("intent"), found)


def _expect(expect: Expect, node: Node, bundle: Bundle, found: Findings) -> None:
    _known(expect.state, _states(bundle), "state", node.at("state"), found)
    for state, at in _items(expect.states, node.at("states")):
        _known(state, _states(bundle), "state", at, found)
    for intent, at in _items(expect.intents, node.at("intents")):
        _known(intent, _intents(bundle), "intent", at, found)
    for place, called in enumerate(expect.tools):
        at = node.at("tools", place)
        _known(called.endpoint, bundle.settings.backend.endpoints, "endpoint", at.at("endpoint"), found)
    for place, sent in enumerate(expect.messages):
        at = node.at("messages", place, "template")
        _known(sent.template, _templates(bundle, sent.channel), "template", at, found)


def _event(name: str, node: Node, bundle: Bundle, found: Findings) -> None:
    heard = {rule.on for rule in bundle.rules} | {cancel.event for rule in bundle.rules for cancel in rule.cancel_on}
    heard |= {value for each in _maps(bundle) for value in _triggers(each, "event")}
    _known(name, heard, "event that a rule or a state map hears", node, found)


def _known(word: str | None, known: Iterable[str], what: str, node: Node, found: Findings) -> None:
    words = set(known)
    if word and word not in words:
        found.error(node, f"the bundle has no {what} {word!r}", suggest(word, words))


def _items(words: Iterable[str], node: Node) -> Iterator[tuple[str, Node]]:
    for place, word in enumerate(words):
        yield word, node.at(place)


def _maps(bundle: Bundle) -> Iterable[StateMap]:
    return bundle.state_maps.values()


def _triggers(state_map: StateMap, kind: str) -> set[str]:
    return {value for each in state_map.transitions if each.trigger.type == kind for value in each.trigger.values}


def _states(bundle: Bundle) -> set[str]:
    return {state for each in _maps(bundle) for state in each.states}


def _intents(bundle: Bundle) -> set[str]:
    return {name for each in _maps(bundle) for name in {*each.intents, *_triggers(each, "intent")}}


def _templates(bundle: Bundle, channel: str | None = None) -> set[str]:
    return {name for on, texts in bundle.templates.items() if channel in (None, on) for name in texts}
