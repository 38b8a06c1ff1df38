"""What a row of an imported list means: a contact in its one form, a follow-up as a rule of the bundle asks for it. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec

from events.contact import Address, Profile
from events.values import CancelOn
from libs.channels.address import PHONE_CHANNELS, normalized
from libs.channels.email_address import domain_of, wire
from libs.channels.whatsapp_address import e164, is_user_id
from libs.config.bundle import Bundle
from libs.config.model import CHANNELS
from libs.domain.contact import Contact, merged
from libs.domain.given import Wrong, check_id
from libs.domain.names import Names
from libs.domain.rules import Rule, asked_for
from libs.domain.templates import TemplateFailed, UndefinedName
from services.ingest.decide import FollowupIn, check_depth, check_followup, unknown

MAX_ROWS = 500
"""Rows of one request."""
A_DAY = timedelta(days=1)
"""Somewhere it is tomorrow already."""
HOME = "IN"
"""The country of a phone that names none, where the policy names no country."""

Standing = Literal["new", "changed", "unchanged", "refused"]


class ConsentIn(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """That a contact agreed to be written to on a channel: when, and what proves it."""

    at: datetime
    evidence: str | None = None


class AddressIn(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Where a contact is reached, in any usual notation."""

    channel: str
    address: str
    consent: ConsentIn | None = None


class ContactIn(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A contact. Without an `id` its first address names it: the same address is the same contact."""

    name: str
    id: str | None = None
    role: str | None = None
    organization: str | None = None
    channels: list[AddressIn] = []
    metadata: dict[str, Any] = {}


class ContactsIn(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A part of a list of contacts. `dry_run`: say what would come of it, and store nothing."""

    items: list[ContactIn]
    dry_run: bool = False


class FollowupRow(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One matter: whose it is (an id, or an address), and the data that the rule's templates speak of."""

    data: dict[str, Any]
    contact_id: str | None = None
    contact: AddressIn | None = None


class FollowupsIn(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A part of a list of follow-ups of one process; `rule` where several rules of the bundle make such."""

    process_type: str
    items: list[FollowupRow]
    rule: str | None = None
    dry_run: bool = False


class Outcome(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What a row comes to: `id` of the contact or follow-up; `errors` as in problem details, each a path into the item and
    a message. Rows of one `key` are about the same.
    """

    status: Standing
    id: str | None = None
    key: str | None = None
    errors: list[dict[str, str]] = []


def refused(*errors: Wrong) -> Outcome:
    """A row that cannot be meant."""
    return Outcome(status="refused", errors=[{"path": each.path, "message": each.message} for each in errors])


def check_size(items: Sequence[object]) -> None:
    """Raises Wrong for more rows than a request takes."""
    if len(items) > MAX_ROWS:
        raise Wrong(
            "$.items", f"at most {MAX_ROWS} rows are taken at once, these are {len(items)}: send several requests"
        )


def region_of(bundle: Bundle) -> str:
    """The country of a phone that names none: that of the policy's holidays."""
    return bundle.policy.holidays.country or HOME


def address_of(given: AddressIn, region: str, path: str, now: datetime) -> Address:
    """An address in the form in which it is stored. Raises Wrong where nobody can be reached there, or nobody agreed yet."""
    if given.channel not in CHANNELS:
        raise Wrong(f"{path}.channel", f"{given.channel!r} is no channel; there are {', '.join(CHANNELS)}")
    text = given.address.strip()
    at = evidence = None
    if given.consent is not None:
        at, evidence = given.consent.at, given.consent.evidence
        if at.tzinfo is None:
            raise Wrong(f"{path}.consent.at", "a time needs its zone, such as 2026-02-16T10:30:00+05:30")
        if at > now + A_DAY:
            raise Wrong(f"{path}.consent.at", "they have agreed on a day that is yet to come: write when they did")
    if given.channel in PHONE_CHANNELS and not is_user_id(text):
        number = None if ";" in text else e164(text, region)  # what follows a ; would be dropped
        if number is None:
            raise Wrong(f"{path}.address", f"it is no phone of {region}: write +919876543210, or 9876543210 in India")
        text = number
    elif given.channel == "email":
        text = normalized("email", text)
        if wire(text) is None or "." not in domain_of(text):
            raise Wrong(f"{path}.address", "it is no mail address: write name@example.com")
    elif not text:
        raise Wrong(f"{path}.address", "it is empty")
    return Address(channel=given.channel, address=text, consent_at=at, consent_evidence=evidence)


def profile_of(given: ContactIn, region: str, now: datetime) -> Profile | Outcome:
    """The contact as we store it, or everything that is wrong with the row."""
    wrong: list[Wrong] = []
    channels: dict[tuple[str, str], Address] = {}
    if not given.name.strip():
        wrong.append(Wrong("$.name", "a contact needs a name"))
    if not given.channels:
        wrong.append(Wrong("$.channels", "a contact needs an address: a phone, or a mail address"))
    for place, each in enumerate(given.channels):
        try:
            address = address_of(each, region, f"$.channels[{place}]", now)
            channels.setdefault((address.channel, address.address), address)
        except Wrong as error:
            wrong.append(error)
    try:
        check_id("$.id", given.id)
        check_depth("$.metadata", given.metadata)
    except Wrong as error:
        wrong.append(error)
    if wrong:
        return refused(*wrong)
    return Profile(
        name=given.name.strip(),
        role=given.role or None,
        organization=given.organization or None,
        channels=list(channels.values()),
        metadata=given.metadata,
    )


def standing_of(known: Contact, given: Profile) -> Outcome:
    """What telling of a contact comes to, as it is known now."""
    if known.erased:
        return refused(Wrong("$.id", "this contact was erased on request, and stays so: leave the row out"))
    if known.profile is None:
        return Outcome(status="new")
    return Outcome(status="unchanged" if merged(known.profile, given) == known.profile else "changed")


def rule_of(asked: FollowupsIn, bundle: Bundle) -> Rule:
    """The rule that says what a follow-up of the process is made of. Raises Wrong."""
    if asked.process_type not in bundle.state_maps:
        raise unknown("$.process_type", "process", asked.process_type, bundle.state_maps)
    making = [rule for rule in bundle.rules if rule.create_followup.process_type == asked.process_type]
    names = ", ".join(rule.id for rule in making)
    if not making:
        raise Wrong(
            "$.process_type",
            f"no rule makes follow-ups of {asked.process_type}: the `create_followup` of one says which data they need",
        )
    if asked.rule is None:
        return making[0]
    found = next((rule for rule in making if rule.id == asked.rule), None)
    if found is None:
        raise Wrong("$.rule", f"{asked.process_type} has no rule {asked.rule!r}; there are {names}")
    return found


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A follow-up as it is asked for, and the key that keeps it to one."""

    followup: FollowupIn
    key: str
    cancel_on: list[CancelOn] = []


def followup_of(row: FollowupRow, contact_id: str, rule: Rule, bundle: Bundle, now: datetime) -> Asked | Outcome:
    """The follow-up that a row means, with all the data that its rule names; or what is missing."""
    data = {**row.data, "contact_id": contact_id}
    try:
        check_depth("$.data", row.data)
        missing = missing_names(rule, data, now)
        if missing:
            return refused(*(Wrong(f"$.data.{name}", f"the rule {rule.id} needs it") for name in missing))
        spec, key = asked_for(rule, Names.of_event(data, now))
        followup = FollowupIn(
            contact_id=spec.contact_id,
            reason=spec.reason,
            channel_priority=list(spec.channel_priority),
            priority=spec.priority,
            process_type=spec.process_type,
            entity_type=spec.entity_type,
            entity_id=spec.entity_id,
            business_context=dict(data if spec.business_context is None else spec.business_context),
            flow=spec.flow,
        )
        check_followup(followup, bundle)
    except TemplateFailed as failed:
        return refused(Wrong("$.data", str(failed)))
    except Wrong as wrong:
        return refused(wrong)
    cancel_on = [CancelOn(event=each.event, match=each.match) for each in rule.cancel_on]
    return Asked(followup=followup, key=key, cancel_on=cancel_on)


def missing_names(rule: Rule, data: Mapping[str, Any], now: datetime) -> list[str]:
    """Every name that a rule's follow-up cannot do without and `data` lacks."""
    missing: dict[str, None] = {}
    while True:
        try:
            asked_for(rule, Names.of_event({**data, **dict.fromkeys(missing, "1")}, now))
        except UndefinedName as undefined:
            if undefined.name in missing or "." in undefined.name:
                return [*missing, *([] if undefined.name in missing else [undefined.name])]
            missing[undefined.name] = None
        except TemplateFailed:
            return list(missing)
        else:
            return list(missing)
