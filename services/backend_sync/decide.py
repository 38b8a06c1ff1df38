"""The ERP's side as data: which request asks it, what its answer means, and which facts tell it. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, get_args
from urllib.parse import quote

import msgspec

from events.address import SenderUnknown
from events.backend import CallCompleted, CallFailed, FollowupDiscovered
from events.base import Draft, Recorded
from events.contact import Address, Changed, Erased, ErasureFailed, Linked, Lookup, NotFound, Profile, Registered
from events.values import Priority
from libs.channels.address import normalized, same_person
from libs.config.bundle import Bundle
from libs.config.model import Endpoint
from libs.domain.given import unkeepable
from services.backend_sync.mapping import DoesNotFit, mapped

REASON_AT_MOST = 500
DECODER = msgspec.json.Decoder(float_hook=Decimal)
"""Amounts stay as the ERP sent them: no float in between."""


@dataclass(frozen=True, slots=True)
class Request:
    """One call of the ERP: method, path below the base URL, query of a GET, JSON body of the rest."""

    method: str
    path: str
    query: Mapping[str, str]
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Answered:
    """The ERP said yes; `result` is its JSON, mapped, numbers as they were sent."""

    status: int
    result: Any


@dataclass(frozen=True, slots=True)
class Refused:
    """The ERP said no for good."""

    status: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class Later:
    """The ERP may say yes another time; `after_s` where it said when."""

    reason: str
    after_s: float | None = None


IDS = ("id", "contact_id", "process_type", "entity_type", "entity_id")
"""Of a pending follow-up: what is looked for by."""
MAX_CHANNEL = 30
MAX_KEPT = 256 * 1024
"""Bytes of JSON that are kept of one answer, contact or pending follow-up; sealing adds a third, a fact holds 512 KB."""
TOO_LARGE = f"more than {MAX_KEPT // 1024} KB"


class Impossible(Exception):
    """The call cannot be made as it is configured; the message says what is missing."""


def request(bundle: Bundle, name: str, payload: Mapping[str, Any], *, writes: bool) -> Request:
    """The call of an endpoint: values named in its path fill the path and leave the body. Raises Impossible."""
    endpoint = bundle.settings.backend.endpoints.get(name)
    if endpoint is None:
        raise Impossible(f"the bundle has no endpoint {name!r} under backend.endpoints")
    method = endpoint.write_method if writes else endpoint.read_method
    path = _path(name, endpoint, payload)
    rest = {key: value for key, value in payload.items() if key not in endpoint.parameters}
    if method == "GET":
        return Request(method, path, {key: _text(value) for key, value in rest.items() if value is not None}, None)
    return Request(method, path, {}, msgspec.json.encode(rest))


def _path(name: str, endpoint: Endpoint, payload: Mapping[str, Any]) -> str:
    path = endpoint.path
    for parameter in endpoint.parameters:
        value = payload.get(parameter)
        if value is None or value == "":
            raise Impossible(f"the endpoint {name!r} needs {parameter!r} for its path {endpoint.path!r}")
        text = _text(value)
        if text in (".", ".."):
            raise Impossible(f"{text!r} cannot stand for {parameter!r} in the path {endpoint.path!r}")
        path = path.replace(f"{{{parameter}}}", quote(text, safe=""))
    return path


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | Decimal) else msgspec.json.encode(value).decode()


def read(bundle: Bundle, name: str, status: int, body: bytes, retry_after: float | None) -> Answered | Refused | Later:
    """What an HTTP answer of the ERP means. 2xx with a body that is no JSON, or that the mapping cannot read, is a refusal
    that says so. 401 is none: who has the wrong key was told nothing of the contact or the promise, and keys are renewed."""
    if status in (401, 408, 425, 429) or status >= 500:
        return Later(f"HTTP {status}", retry_after)
    if not 200 <= status < 300:
        return Refused(status, f"HTTP {status}: {_excerpt(body)}")
    if not body.strip():
        return Answered(status, None)
    try:
        answer = DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Refused(status, f"HTTP {status} with a body that is not JSON: {error}")
    try:
        return Answered(status, mapped(bundle.mapping, name, answer))
    except DoesNotFit as wrong:
        return Refused(status, str(wrong))


def too_large(kept: Any) -> bool:
    """Whether an answer, or a part of one, is more than a fact can hold."""
    return len(msgspec.json.encode(kept)) > MAX_KEPT


def _excerpt(body: bytes) -> str:
    """The beginning of a problem's title or detail; other bodies may hold personal data and stay out."""
    try:
        problem = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "no JSON body"
    if not isinstance(problem, dict):
        return "no problem details"
    words = [str(problem[key]) for key in ("title", "detail", "message", "error") if isinstance(problem.get(key), str)]
    return ": ".join(words)[:REASON_AT_MOST] or "no problem details"


def profile_of(answer: Any) -> tuple[str, Profile]:
    """A contact as the ERP sends it. Raises Impossible for another shape."""
    if not isinstance(answer, dict) or not answer.get("id") or not answer.get("name"):
        raise Impossible(
            "a contact needs `id`, `name` and `channels: [{channel, address}]`; map them in backend.mapping"
        )
    if too_large(answer):
        raise Impossible(f"the contact has {TOO_LARGE}")
    known = {"id", "name", "role", "organization", "channels"}
    channels = answer.get("channels")
    return str(answer["id"]), Profile(
        name=str(answer["name"]),
        role=_optional(answer.get("role")),
        organization=_optional(answer.get("organization")),
        channels=[address for each in channels if (address := _address(each))] if isinstance(channels, list) else [],
        metadata={key: value for key, value in answer.items() if key not in known},
    )


def _optional(value: Any) -> str | None:
    return None if value in (None, "") else str(value)


def _address(entry: Any) -> Address | None:
    if not isinstance(entry, dict) or not entry.get("channel") or not entry.get("address"):
        return None
    channel = str(entry["channel"]).lower()
    if len(channel) > MAX_CHANNEL or not channel.isprintable():
        return None
    consent = entry.get("consent")
    at = evidence = None
    if isinstance(consent, dict):
        at = _time(consent.get("at"))
        evidence = _optional(consent.get("evidence"))
    return Address(
        channel=channel,
        address=normalized(channel, str(entry["address"])),
        consent_at=at,
        consent_evidence=evidence,
        do_not_disturb=entry.get("do_not_disturb") is True,
    )


def _time(value: Any) -> datetime | None:
    try:
        at = datetime.fromisoformat(str(value)) if value else None
    except ValueError:
        return None
    return at if at is not None and at.tzinfo is not None else None


def searches(asked: SenderUnknown) -> list[tuple[str, dict[str, Any]]]:
    """The endpoints and payloads by which the ERP is asked whose address this is, one after the other until it knows.

    The chat's address is the contact's id, and a signed token has proved it. A phone may be registered for another channel.
    """
    if asked.channel == "chat":
        return [("get_contact", {"contact_id": asked.address})]
    channels = [asked.channel, *same_person(asked.channel, asked.address)]
    return [("search_contacts", {"channel": channel, "address": asked.address}) for channel in channels]


def first_named(answer: Any, asked: SenderUnknown) -> tuple[str, Profile] | None:
    """Whose address was asked for: the first contact of an answer who has it, else the only one.

    Of several without it nobody: an ERP that does not know the query's names lists whomever it has, and a stranger must not
    be taken for one of them.
    """
    named: list[tuple[str, Profile]] = []
    for candidate in answer if isinstance(answer, list) else [answer]:
        try:
            named.append(profile_of(candidate))
        except Impossible:
            continue
    address = normalized(asked.channel, asked.address)
    theirs = [each for each in named if address in {entry.address for entry in each[1].channels}]
    return next(iter(theirs), named[0] if len(named) == 1 else None)


def names_of(contact_id: str, profile: Profile) -> dict[tuple[str, str], bool]:
    """By which channel and address a contact is found, and whether that is implied and not registered.

    A phone names its owner on each phone channel, and in the chat a contact is named by its own id.
    """
    names = {(entry.channel, entry.address): False for entry in profile.channels}
    for entry in profile.channels:
        for channel in same_person(entry.channel, entry.address):
            names.setdefault((channel, entry.address), True)
    names.setdefault(("chat", contact_id), True)
    return names


def moved(profile: Profile, channel: str, address: str) -> Profile:
    """The contact is reached at another address of a channel now; the consents on record stay."""
    known = [entry for entry in profile.channels if entry.channel == channel]
    new = msgspec.structs.replace(known[0], address=address) if known else Address(channel=channel, address=address)
    others = [entry for entry in profile.channels if entry not in known[:1] and entry != new]
    return msgspec.structs.replace(profile, channels=[new, *others])


def contact_fact(contact_id: str, profile: Profile, lookups: list[Lookup], known: bool) -> Registered | Changed:
    """What is told of a contact: that we know it now, or that it changed."""
    if known:
        return Changed(contact_id=contact_id, profile=profile, lookups=lookups)
    return Registered(contact_id=contact_id, profile=profile, lookups=lookups)


def about_contact(contact_id: str, event: Registered | Changed | NotFound | Linked | Erased | ErasureFailed) -> Draft:
    return Draft(f"contact-{contact_id}", event, key=f"contact-{contact_id}", subject=contact_id)


def completed(intent: Recorded[Any], kind: Literal["tool", "write"], endpoint: str, answer: Answered) -> Draft:
    """The ERP answered, or confirmed."""
    return _outcome(
        intent,
        CallCompleted(
            kind=kind,
            conversation=intent.subject_id,
            endpoint=endpoint,
            status=answer.status,
            result=answer.result,
        ),
    )


def failed(
    intent: Recorded[Any], kind: Literal["tool", "write"], endpoint: str, reason: str, status: int | None = None
) -> Draft:
    """The ERP refused for good, or could not be asked in time."""
    return _outcome(
        intent,
        CallFailed(kind=kind, conversation=intent.subject_id, endpoint=endpoint, reason=reason, status=status),
    )


def _outcome(intent: Recorded[Any], event: CallCompleted | CallFailed) -> Draft:
    contact = intent.envelope.subject
    return Draft(f"backend-{intent.id}", event, key=f"contact-{contact}" if contact else None, subject=contact)


def discovered(answer: Any) -> tuple[list[FollowupDiscovered], list[str]]:
    """The ERP's pending follow-ups, and what was wrong with those that cannot be taken."""
    if not isinstance(answer, list):
        return [], ["get_followups answers no list"]
    taken: list[FollowupDiscovered] = []
    wrong: list[str] = []
    for place, item in enumerate(answer):
        if not isinstance(item, dict) or not item.get("id") or not item.get("contact_id"):
            wrong.append(f"[{place}]: a follow-up needs `id` and `contact_id`")
            continue
        if odd := [f"{key} {why}" for key in IDS if item.get(key) and (why := unkeepable(str(item[key])))]:
            wrong.append(f"[{place}]: {'; '.join(odd)}")
            continue
        if too_large(item):
            wrong.append(f"[{place}]: {TOO_LARGE}")
            continue
        taken.append(_discovered(item))
    return taken, wrong


def _discovered(item: Mapping[str, Any]) -> FollowupDiscovered:
    context = item.get("business_context")
    ladder = item.get("channel_priority")
    priority = str(item.get("priority") or "normal").lower()
    known: Sequence[str] = get_args(Priority)
    return FollowupDiscovered(
        erp_id=str(item["id"]),
        contact_id=str(item["contact_id"]),
        reason=str(item.get("reason") or "follow-up"),
        priority=msgspec.convert(priority if priority in known else "normal", Priority),
        channel_priority=[str(channel).lower() for channel in ladder] if isinstance(ladder, list) else [],
        process_type=_optional(item.get("process_type")),
        entity_type=_optional(item.get("entity_type")),
        entity_id=_optional(item.get("entity_id")),
        business_context=dict(context) if isinstance(context, dict) else {},
    )


def stranger(contact_id: str, asked: SenderUnknown) -> Registered:
    """A sender whom the ERP cannot name: a contact with nothing but the address."""
    return Registered(
        contact_id=contact_id,
        profile=Profile(name=asked.address, channels=[Address(channel=asked.channel, address=asked.address)]),
        lookups=[Lookup(channel=asked.channel, digest=asked.digest)],
        known_to_erp=False,
    )
