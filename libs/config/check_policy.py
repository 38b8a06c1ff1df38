"""The policy against the rest of the bundle: what may be said before anybody confirmed who they are, offers, and sources."""

from collections.abc import Iterator

from libs.config.findings import Findings, suggest
from libs.config.model import CHANNELS, MessageTemplate
from libs.config.parsed import Parsed, Placed
from libs.config.providers import CALLING_NUMBER, FREE_TEXT
from libs.config.references import References
from libs.config.tree import Node
from libs.domain.flow import Collect, Flow, Generate, Say
from libs.domain.hours import minutes
from libs.domain.names import parts_of
from libs.domain.policy import Applies, Policy, StopConfirmation
from libs.domain.policy_checks import PROMOTIONAL_TEMPLATES, RULES, national
from libs.domain.policy_terms import RightPerson
from libs.domain.statemap import StartFlow
from libs.domain.templates import is_template, syntax_error, used_names

CONTACT = ("contact", "contact_name")
INDIA, OFFER_HOURS = "Asia/Kolkata", (10 * 60, 21 * 60)
"""When offers may go out in India, read cautiously: sources differ, and none of them is wider on both sides."""


def check_policy(parsed: Parsed, found: Findings) -> None:
    if parsed.policy is None:
        return
    policy, node, refer = parsed.policy.value, parsed.policy.node, References(parsed, found)
    _right_person(parsed, policy, node.at("right_person"), refer, found)
    if isinstance(policy.stop_confirmation, StopConfirmation):
        stop = node.at("stop_confirmation")
        _only_the_contact(stop.keys.get("text"), found)
        _templates(parsed, policy.stop_confirmation.templates, stop.at("templates"), refer, found)
    _sources(policy, node, refer, found)
    _offers(parsed, policy, found)
    _offer_hours(parsed, policy, node, found)
    _calling_number(parsed, policy, node, found)


def policy_templates(policy: Policy | None) -> dict[str, set[str]]:
    """The registered texts that the policy itself sends, by channel."""
    used: dict[str, set[str]] = {}
    stop = policy.stop_confirmation if policy else False
    named = [policy.right_person.templates] if policy else []
    named += [stop.templates] if isinstance(stop, StopConfirmation) else []
    for channel, template in (each for templates in named for each in templates.items()):
        used.setdefault(channel, set()).add(template)
    return used


def _right_person(parsed: Parsed, policy: Policy, node: Node, refer: References, found: Findings) -> None:
    for key in ("question", "spoken", "subject", "sorry"):
        _only_the_contact(node.keys.get(key), found)
    _templates(parsed, policy.right_person.templates, node.at("templates"), refer, found)
    if policy.right_person.report is not None:
        place = node.at("report")
        payload = place.keys.get("payload", place)
        refer.endpoint(policy.right_person.report, policy.right_person.report_payload, place.at("endpoint"), payload)
    asking: list[tuple[RightPerson, Node]] = [(policy.right_person, node)]
    asking += [
        (each.right_person, parsed.policy.node.at("purposes", name, "right_person") if parsed.policy else node)
        for name, each in policy.purposes.items()
    ]
    for person, place in asking:
        if person.text != "confirm":
            continue
        for channel in parsed.settings.value.channels:
            if channel not in FREE_TEXT and channel not in policy.right_person.templates:
                found.warn(
                    place.at("text"),
                    f"{channel} takes registered texts only, and none asks there who it is: ladders skip it",
                    f"add `{channel}: …` to right_person.templates",
                )


def _only_the_contact(node: Node | None, found: Findings) -> None:
    """What is said before anybody confirmed who they are may name the contact, and nothing of any matter."""
    for scalar in node.scalars() if node is not None else ():
        if not isinstance(scalar.value, str) or not is_template(scalar.value):
            continue
        if wrong := syntax_error(scalar.value):
            found.error(scalar, f"this template cannot be read: {wrong}", "names stand in {{ }}, as {{contact_name}}")
            continue
        for name in sorted(used_names(scalar.value)):
            if parts_of(name)[0] not in CONTACT:
                found.error(
                    scalar,
                    f"{name!r} may not be named before anybody has confirmed who they are",
                    "name the contact only, such as {{contact_name}}",
                )


def _templates(parsed: Parsed, named: dict[str, str], node: Node, refer: References, found: Findings) -> None:
    for channel, template in named.items():
        if channel not in CHANNELS:
            place = node.at(channel)
            found.error(place, f"{channel!r} is no channel", suggest(channel, CHANNELS), line=place.key_line)
            continue
        refer.template(channel, template, node.at(channel))
        for each in parsed.templates.get(channel, ()):
            if each.value.id == template:
                _only_the_contact(each.node.keys.get("body"), found)
                _only_the_contact(each.node.keys.get("components"), found)


def _sources(policy: Policy, node: Node, refer: References, found: Findings) -> None:
    for position, source in enumerate(policy.rules):
        place = node.at("rules", position).at("applies")
        match source.applies:
            case Applies():
                for known, key in ((RULES, "rules"), (CHANNELS, "channels"), (refer.processes, "purposes")):
                    for n, name in enumerate(getattr(source.applies, key)):
                        if name not in known:
                            found.error(place.at(key, n), f"{name!r} is none of the {key}", suggest(name, known))
            case str(words) if not set(words.replace(",", " ").split()) & set(RULES):
                found.warn(
                    place,
                    "no check of the policy is named: no decision will show this rule",
                    f"write applies: {{rules: [hours]}}; known are {', '.join(RULES)}",
                )
            case _:
                pass


def _offers(parsed: Parsed, policy: Policy, found: Findings) -> None:
    """No offer goes out in a matter that is a service or a transaction."""
    for process, flow in sorted(_flows_of(parsed)):
        if policy.category(process) == "promotional":
            continue
        for placed in parsed.flows:
            if placed.value.id == flow:
                _no_offer(parsed, policy, process, placed, found)


def _offer_hours(parsed: Parsed, policy: Policy, node: Node, found: Findings) -> None:
    """Offers go out in hours of their own: what binds reminders alone is too wide for them."""
    if found.errors_under(node):
        return
    channels = [name for name, each in parsed.settings.value.channels.items() if each.enabled and name != "chat"]
    for name, purpose in policy.purposes.items():
        if purpose.category != "promotional" or policy.timezone != INDIA:
            continue
        for channel in channels:
            hours = purpose.hours.get(channel) or policy.hours.get(channel)
            opens, closes = (minutes(hours.start), minutes(hours.end)) if hours else (0, 24 * 60)
            if opens < OFFER_HOURS[0] or closes > OFFER_HOURS[1]:
                window = f"from {hours.start} to {hours.end}" if hours else "at any hour"
                found.warn(
                    node.at("purposes", name),
                    f"{name} is promotional and goes out on {channel} {window}: 10:00 to 21:00 is the cautious reading",
                    f'add `hours: {{{channel}: {{from: "10:00", to: "21:00"}}}}` to it',
                )


def _flows_of(parsed: Parsed) -> set[tuple[str, str]]:
    """Which flows run for which processes, by the rules and by the state maps."""
    pairs = {
        (rule.value.create_followup.process_type, rule.value.create_followup.flow)
        for rule in parsed.rules
        if rule.value.create_followup.process_type and rule.value.create_followup.flow
    }
    for state_map in parsed.state_maps:
        for transition in state_map.value.transitions:
            for action in transition.actions:
                if isinstance(action, StartFlow):
                    pairs.add((state_map.value.process_type, action.flow))
    return {(process, flow) for process, flow in pairs if process and flow}


def _no_offer(parsed: Parsed, policy: Policy, process: str, placed: Placed[Flow], found: Findings) -> None:
    for position, step in enumerate(placed.value.steps):
        if not isinstance(step, Generate | Say | Collect):
            continue
        for channel, name in step.templates.items():
            for each in _named(parsed, channel, name):
                if each.category in PROMOTIONAL_TEMPLATES:
                    found.error(
                        placed.node.at("steps", position, "templates", channel),
                        f"{name!r} is a {each.category} text, and {process} is {policy.category(process)}",
                        f"use a utility text, or set purposes.{process}.category: promotional",
                    )


def _named(parsed: Parsed, channel: str, name: str) -> Iterator[MessageTemplate]:
    yield from (each.value for each in parsed.templates.get(channel, ()) if each.value.id == name)


def _calling_number(parsed: Parsed, policy: Policy, node: Node, found: Findings) -> None:
    """The number that calls is of the series that its purposes ask for, as far as the bundle writes it out."""
    voice = parsed.settings.value.channels.get("voice")
    number = voice.credentials.get(CALLING_NUMBER) if voice else None
    if not number or "${" in number:
        return
    for process in sorted(policy.purposes):
        series = policy.number_series.get(policy.category(process))
        if series is not None and not national(number).startswith(series):
            found.error(
                node.at("number_series"),
                f"{process} is {policy.category(process)} and is called from {number}, not from {series}…",
                "have a number of that series, and set channels.voice.credentials.telephony_phone_number",
            )
