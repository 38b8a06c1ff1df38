"""Templates as Meta has registered them: the pages of its list, and how they differ from what a bundle sends."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import msgspec

from libs.channels.outcome import Refused
from libs.channels.whatsapp_outbound import GRAPH_VERSION

FIELDS = "id,name,language,status,category,components,quality_score"
PAGE = 100
_PLACEHOLDER = re.compile(r"\{\{\s*([^{}]+?)\s*\}\}")
_SENT = frozenset({"APPROVED", "FLAGGED"})
_EVENTS = {"REINSTATED": "APPROVED"}
_REASONS = {
    "PAUSED": (132015, "is paused by Meta: use another one, or wait until it is reinstated"),
    "DISABLED": (132016, "is disabled by Meta: register another one"),
}

Trouble = Literal["missing", "language", "parameters", "header", "status", "flagged"]


@dataclass(frozen=True, slots=True)
class Registered:
    """One translation of a template. `status` is Meta's word; `parameters` are the body's placeholders in order.

    `header` is TEXT, IMAGE, VIDEO, DOCUMENT or LOCATION; `header_parameters` how many its text has.
    """

    name: str
    language: str
    status: str
    category: str | None = None
    parameters: tuple[str, ...] = ()
    header: str | None = None
    header_parameters: int = 0


@dataclass(frozen=True, slots=True)
class Page:
    """A part of the list; `after` is the cursor of the next one, None at the end."""

    templates: tuple[Registered, ...]
    after: str | None


@dataclass(frozen=True, slots=True)
class Sent:
    """What a bundle sends: the parameters of the body in order, by name or as `1`, `2`; the kind of its header."""

    name: str
    language: str
    parameters: tuple[str, ...]
    header: str | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """Why what a bundle sends is not, or may not stay, what Meta takes."""

    name: str
    language: str
    trouble: Trouble
    says: str


class _Component(msgspec.Struct):
    type: str
    format: str | None = None
    text: str | None = None


class _Template(msgspec.Struct):
    name: str
    language: str
    status: str
    category: str | None = None
    components: list[_Component] = []


class _Cursors(msgspec.Struct):
    after: str | None = None


class _Paging(msgspec.Struct):
    cursors: _Cursors = msgspec.field(default_factory=_Cursors)
    next: str | None = None


class _List(msgspec.Struct):
    data: list[_Template]
    paging: _Paging = msgspec.field(default_factory=_Paging)


def list_path(business: str, version: str = GRAPH_VERSION) -> str:
    """The path of a business account's list; ask with `fields`, `limit` and, from the second page on, `after`."""
    return f"/{version}/{business}/message_templates"


def read_page(body: bytes) -> Page | None:
    """One page of the list; None where the answer is not one."""
    try:
        told = msgspec.json.decode(body, type=_List)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None
    after = told.paging.cursors.after if told.paging.next else None
    return Page(tuple(_registered(each) for each in told.data), after)


def status_after(event: str) -> str:
    """The status that an event of `message_template_status_update` leaves a template in."""
    return _EVENTS.get(event, event)


def refusal(name: str, language: str, status: str | None) -> Refused | None:
    """Why a template of this status (None: it is not on Meta's list) cannot be sent; None where it can."""
    if status in _SENT:
        return None
    if status is None:
        return Refused(132001, f"the template {name} is not registered with Meta in {language}", "message")
    code, why = _REASONS.get(status, (132001, f"is {status.lower()} at Meta, not approved"))
    return Refused(code, f"the template {name} ({language}) {why}", "message")


def differences(sent: Iterable[Sent], registered: Sequence[Registered]) -> list[Difference]:
    """Each reason why Meta would refuse one of these, and each that may become one."""
    known = {(each.name, each.language): each for each in registered}
    found: list[Difference] = []
    for each in sent:
        there = known.get((each.name, each.language))
        if there is None:
            found.append(_absent(each, registered))
            continue
        found += _unlike(each, there)
    return found


def _absent(each: Sent, registered: Sequence[Registered]) -> Difference:
    others = sorted(other.language for other in registered if other.name == each.name)
    if others:
        says = f"{each.name} is registered in {', '.join(others)}, not in {each.language}: Meta wants the exact code"
        return Difference(each.name, each.language, "language", says)
    return Difference(each.name, each.language, "missing", f"{each.name} is not registered with Meta")


def _unlike(each: Sent, there: Registered) -> Iterable[Difference]:
    refused = refusal(there.name, there.language, there.status)
    if refused is not None:
        yield Difference(each.name, each.language, "status", refused.reason)
    elif there.status == "FLAGGED":
        yield Difference(
            each.name, each.language, "flagged", f"{each.name} is flagged for its quality: Meta may pause it"
        )
    if each.parameters != there.parameters and not _by_position(each.parameters, there.parameters):
        says = f"{each.name} sends the parameters {_listed(each.parameters)}; Meta has {_listed(there.parameters)}"
        yield Difference(each.name, each.language, "parameters", says)
    if each.header != there.header and (there.header != "TEXT" or there.header_parameters or each.header is not None):
        says = f"{each.name} sends {_headed(each.header)}; Meta has {_headed(there.header)}"
        yield Difference(each.name, each.language, "header", says)


def _by_position(sent: tuple[str, ...], there: tuple[str, ...]) -> bool:
    """Whether both are numbered and as many; names differ where they are not in the same set, whatever their order."""
    if all(name.isdigit() for name in sent) and all(name.isdigit() for name in there):
        return len(sent) == len(there)
    return set(sent) == set(there)


def _registered(told: _Template) -> Registered:
    parts = {component.type.upper(): component for component in told.components}
    header = parts.get("HEADER")
    return Registered(
        name=told.name,
        language=told.language,
        status=told.status.upper(),
        category=told.category.lower() if told.category else None,
        parameters=_parameters(parts.get("BODY")),
        header=(header.format or "TEXT").upper() if header else None,
        header_parameters=len(_parameters(header)),
    )


def _parameters(component: _Component | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_PLACEHOLDER.findall(component.text or ""))) if component else ()


def _listed(parameters: tuple[str, ...]) -> str:
    return ", ".join(parameters) or "none"


def _headed(header: str | None) -> str:
    return f"a header of {header.lower()}" if header else "no header"
