"""Files of a bundle in, a compiled bundle and all findings out. Pure: the texts and the environment are arguments."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from libs.config.bundle import Bundle
from libs.config.check_email import check_email
from libs.config.check_flow import check_flows
from libs.config.check_names import check_names
from libs.config.check_policy import check_policy
from libs.config.check_rules import check_rules
from libs.config.check_settings import check_ids, check_settings, check_use
from libs.config.check_sms import check_sms
from libs.config.check_statemap import check_state_maps
from libs.config.check_voice import check_voice
from libs.config.fields import kind_of
from libs.config.findings import Finding, Findings, suggest
from libs.config.model import CHANNELS, MessageTemplate
from libs.config.own_facts import with_own_facts
from libs.config.parse_facts import parse_facts
from libs.config.parse_flow import parse_flow
from libs.config.parse_policy import parse_policy
from libs.config.parse_prices import parse_price
from libs.config.parse_rules import parse_rule
from libs.config.parse_settings import TOP, parse_settings
from libs.config.parse_statemap import parse_state_map
from libs.config.parse_templates import parse_template
from libs.config.parsed import Parsed, Placed
from libs.config.secrets import references
from libs.config.tree import Node, Unreadable, read_yaml
from libs.domain.flow import GENERAL_FLOW

T = TypeVar("T")
KEYS = (*TOP, "rules", "state_maps", "flows", "facts", "policy", "prices")


@dataclass(frozen=True, slots=True)
class Loaded:
    """What came of a folder: no bundle when a finding is an error. `missing`: names that are unset in the environment."""

    bundle: Bundle | None
    findings: tuple[Finding, ...]
    missing: tuple[str, ...] = ()

    @property
    def errors(self) -> tuple[Finding, ...]:
        return tuple(each for each in self.findings if each.severity == "error")


def compile_bundle(texts: Mapping[str, str], env: Mapping[str, str], profile: str) -> Loaded:
    """Parse, check and compile the files of a bundle, given by their names within its folder. Never raises.

    `templates/<channel>.yaml` holds that channel's templates, `flows/*.yaml` hold flows; what else a bundle says may
    stand in any other file, each key once.
    """
    found = Findings()
    roots = {file: root for file in sorted(texts) if (root := read_file(file, texts[file], found)) is not None}
    templates = {file: root for file, root in roots.items() if file.startswith("templates/")}
    keys, flows = _merge({file: root for file, root in roots.items() if file not in templates}, found)
    if not roots and not found.sorted():
        found.add(
            Finding(
                severity="error", file=".", line=1, path="", message="there is no bundle here", hint="add settings.yaml"
            )
        )
    parsed = with_own_facts(_parse(keys, flows, templates, found), parse_facts(keys.get("facts"), found), found)
    check_ids(parsed, found)
    check_rules(parsed, found)
    check_state_maps(parsed, found)
    check_flows(parsed, found)
    check_names(parsed, found)
    check_settings(parsed, env, profile, found)
    check_email(parsed, env, profile, found)
    check_sms(parsed, env, profile, found)
    check_voice(parsed, found)
    check_policy(parsed, found)
    check_use(parsed, found)
    _general_flow(parsed, found)
    findings = found.sorted()
    names = {
        name
        for scalar in parsed.settings.node.scalars()
        if isinstance(scalar.value, str)
        for name in references(scalar.value)
    }
    refused = any(each.severity == "error" for each in findings)
    return Loaded(
        bundle=None if refused else Bundle.of(parsed.content()),
        findings=findings,
        missing=tuple(sorted(name for name in names if not env.get(name))),
    )


def read_file(file: str, text: str, found: Findings) -> Node | None:
    """The mapping that one file is; None, and a finding, where it is none (an empty file is no finding)."""
    try:
        root = read_yaml(file, text)
    except Unreadable as error:
        found.add(
            Finding(
                severity="error",
                file=file,
                line=error.line,
                path="",
                message=f"this is not YAML: {error}",
                hint="indent with spaces: YAML takes no tabs"
                if "'\\t'" in str(error)
                else "look at the line before, too: indentation, quotes and brackets",
            )
        )
        return None
    if root is None:
        return None
    for node, key, line, first in root.twice_defined():
        found.error(
            Node(file, line, f"{node.path}.{key}" if node.path else key, "scalar"),
            f"the key {key!r} is defined twice",
            f"it is defined in {file}:{first} already",
        )
    if root.kind != "mapping":
        found.error(
            root, f"a file of the bundle must be a mapping, not {kind_of(root)}", "write `key: value` lines here"
        )
        return None
    return root


def _merge(roots: Mapping[str, Node], found: Findings) -> tuple[dict[str, Node], list[Node]]:
    """The top keys of all files, each once, and every file's `flows`."""
    keys: dict[str, Node] = {}
    flows: list[Node] = []
    for root in roots.values():
        for key, node in root.keys.items():
            if key == "templates":
                found.error(node, "templates stand in templates/<channel>.yaml", "move them there", line=node.key_line)
            elif key not in KEYS:
                found.error(node, f"a bundle has no key {key!r}", suggest(key, KEYS), line=node.key_line)
            elif key == "flows":
                flows.append(node)
            elif key in keys:
                first = keys[key]
                hint = f"it is defined in {first.file}:{first.key_line} already"
                found.error(node, f"the key {key!r} is defined twice", hint, line=node.key_line)
            else:
                keys[key] = node
    return keys, flows


def _parse(keys: Mapping[str, Node], flows: list[Node], templates: Mapping[str, Node], found: Findings) -> Parsed:
    top = {key: keys[key] for key in TOP if key in keys}
    file = next(iter(top.values())).file if top else "settings.yaml"
    root = Node(file, 1, "", "mapping", keys=top)
    policy = keys.get("policy")
    return Parsed(
        settings=Placed(parse_settings(root, found), root),
        policy=None if policy is None else Placed(parse_policy(policy, found), policy),
        rules=_listed(keys.get("rules"), parse_rule, found),
        state_maps=_listed(keys.get("state_maps"), parse_state_map, found),
        flows=tuple(each for node in flows for each in _listed(node, parse_flow, found)),
        templates=_templates(templates, found),
        prices=_listed(keys.get("prices"), parse_price, found),
    )


def _listed(node: Node | None, parse: Callable[[Node, Findings], T], found: Findings) -> tuple[Placed[T], ...]:
    if node is None or (node.kind == "scalar" and node.value is None):
        return ()
    if node.kind != "list":
        found.error(node, f"{node.path} must be a list, not {kind_of(node)}", "write lines that begin with `-`")
        return ()
    return tuple(Placed(parse(item, found), item) for item in node.items)


def _templates(files: Mapping[str, Node], found: Findings) -> dict[str, tuple[Placed[MessageTemplate], ...]]:
    templates: dict[str, tuple[Placed[MessageTemplate], ...]] = {}
    for file, root in files.items():
        channel = file.removeprefix("templates/").removesuffix(".yaml")
        if channel not in CHANNELS:
            found.error(root, f"{channel!r} is no channel", suggest(channel, CHANNELS))
            continue
        for key, node in root.keys.items():
            if key == "templates":
                templates[channel] = _listed(node, partial(parse_template, channel), found)
            else:
                found.error(
                    node, f"a file of templates has no key {key!r}", suggest(key, ("templates",)), line=node.key_line
                )
    return templates


def _general_flow(parsed: Parsed, found: Findings) -> None:
    if not any(flow.value.id == GENERAL_FLOW for flow in parsed.flows):
        found.add(
            Finding(
                severity="warning",
                file="flows",
                line=1,
                path="flows",
                message=f"there is no flow {GENERAL_FLOW!r}: a follow-up that is triggered without a process has nothing to say",
                hint=f"add a flow with the id {GENERAL_FLOW}",
            )
        )
