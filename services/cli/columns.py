"""Columns of a sheet: which one is which, by its name or as the user says, and what a row becomes. Pure."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, get_args

from libs.channels.address import PHONE_CHANNELS, normalized
from services.cli import cells
from services.cli.cells import Type, Unfit
from services.cli.sheet import Row

PERSON: Mapping[str, tuple[str, ...]] = {
    "id": ("contact_id", "customer_id", "customer_code", "customer_no", "client_id", "party_code", "account_code"),
    "name": ("contact_name", "customer_name", "customer", "party_name", "party", "full_name", "contact", "client"),
    "role": ("designation", "job_title", "position"),
    "organization": ("organisation", "company", "company_name", "firm", "business_name"),
    "phone": (
        "mobile",
        "mobile_no",
        "mobile_number",
        "phone_no",
        "phone_number",
        "contact_no",
        "contact_number",
        "cell",
        "telephone",
        "tel",
    ),
    "whatsapp": ("whatsapp_no", "whatsapp_number"),
    "sms": ("sms_number",),
    "voice": ("landline", "office_phone"),
    "email": ("e_mail", "mail", "email_id", "email_address", "mail_id"),
    "consent_at": ("consent_date", "opt_in", "opt_in_date", "consent"),
    "consent_evidence": ("opt_in_evidence", "consent_source", "opt_in_source"),
    "language": ("preferred_language",),
    "timezone": ("time_zone",),
}
MATTER: Mapping[str, tuple[str, ...]] = {
    "contact_id": PERSON["id"][1:],
    "phone": PERSON["phone"],
    "email": PERSON["email"],
    "invoice_number": ("invoice", "invoice_no", "inv_no", "bill_no", "bill_number", "invoice_id"),
    "order_number": ("order", "order_no", "so_number", "order_id"),
    "shipment_id": ("shipment", "shipment_no", "awb", "tracking_number"),
    "amount": (
        "amount_due",
        "outstanding",
        "outstanding_amount",
        "balance",
        "balance_due",
        "due_amount",
        "pending_amount",
    ),
    "due_date": ("due", "due_on", "payment_due_date"),
    "days_overdue": ("overdue_days", "overdue_by", "ageing", "aging"),
    "expected_date": ("expected_delivery", "delivery_date"),
    "currency": ("ccy",),
}
DAYS = re.compile(r"(^|_)(days?|count|quantity|qty)(_|$)")
METADATA = ("language", "timezone")


class NoColumn(Exception):
    """The columns do not say what is needed; the message says which name would."""


@dataclass(frozen=True, slots=True)
class Column:
    """Where a field stands, and what its cells hold."""

    place: int
    header: str
    field: str
    type: Type = "text"


@dataclass(slots=True)
class Item:
    """A row as the API takes it. `places`: which column each part of it comes from; `key` names the same thing in a file."""

    body: dict[str, Any]
    places: dict[str, str] = field(default_factory=dict)
    key: str | None = None


@dataclass(slots=True)
class Misfit(Exception):
    """A row that cannot be sent: what is wrong in which column."""

    wrong: list[tuple[str | None, str]]


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns that are used, by field, and the headers of those that are not."""

    by_field: Mapping[str, Column]
    unused: tuple[str, ...]


def plain(name: str) -> str:
    """A column's name as names are compared: `Invoice No.` is `invoice_no`."""
    return re.sub(r"[^\w]+|_+", "_", name.strip().casefold()).strip("_")


def of_contacts(header: Iterable[str], told: Iterable[str]) -> Columns:
    """The columns of a list of contacts. Raises NoColumn."""
    columns = _found(header, told, PERSON, others=False)
    if "name" not in columns.by_field:
        raise NoColumn(_needs("name", "the contact's name", header))
    if not {"phone", "email", *PHONE_CHANNELS} & columns.by_field.keys():
        raise NoColumn(_needs("phone", "a phone or mail address", header))
    return columns


def of_followups(header: Iterable[str], told: Iterable[str]) -> Columns:
    """The columns of a list of follow-ups: what is not known is data under its own name. Raises NoColumn."""
    columns = _found(header, told, MATTER, others=True)
    if not {"contact_id", "phone", "email"} & columns.by_field.keys():
        raise NoColumn(_needs("contact_id", "whose matter it is (contact_id, phone or email)", header))
    return columns


def contact(row: Row, columns: Columns) -> Item:
    """A row as a contact. Raises Misfit."""
    values, wrong = _values(row, columns)
    if wrong:
        raise Misfit(wrong)
    item = Item({"name": values.get("name", ""), "channels": []})
    item.places["$.name"] = columns.by_field["name"].header
    for name in ("id", "role", "organization"):
        if values.get(name):
            item.body[name] = values[name]
            item.places[f"$.{name}"] = columns.by_field[name].header
    consent = {"at": f"{values['consent_at']}T00:00:00Z"} if values.get("consent_at") else None
    if consent is not None and values.get("consent_evidence"):
        consent["evidence"] = values["consent_evidence"]
    metadata = {name: values[name] for name in METADATA if values.get(name)}
    metadata |= {name[9:]: value for name, value in values.items() if name.startswith("metadata.") and value != ""}
    if metadata:
        item.body["metadata"] = metadata
    for channel, source, address in _addresses(values):
        at = len(item.body["channels"])
        entry = {"channel": channel, "address": address}
        item.body["channels"].append(entry if consent is None else {**entry, "consent": consent})
        item.places[f"$.channels[{at}].address"] = columns.by_field[source].header
        if consent is not None:
            item.places[f"$.channels[{at}].consent.at"] = columns.by_field["consent_at"].header
    first = next(iter(item.body["channels"]), None)
    item.places["$.channels"] = next(
        (columns.by_field[each].header for each in ("phone", "email", *PHONE_CHANNELS) if each in columns.by_field), ""
    )
    named = f"address:{normalized(first['channel'], first['address'])}" if first else None
    item.key = f"id:{values['id']}" if values.get("id") else named
    return item


def followup(row: Row, columns: Columns) -> Item:
    """A row as a follow-up. Raises Misfit."""
    values, wrong = _values(row, columns)
    if wrong:
        raise Misfit(wrong)
    item = Item({"data": {}})
    for name, value in values.items():
        if name == "contact_id" or value == "":
            continue
        item.body["data"][name] = value
        item.places[f"$.data.{name}"] = columns.by_field[name].header
    if values.get("contact_id"):
        item.body["contact_id"] = values["contact_id"]
        item.places["$.contact_id"] = columns.by_field["contact_id"].header
        return item
    source = "phone" if values.get("phone") else "email"
    if values.get(source):
        channel = "whatsapp" if source == "phone" else "email"
        item.body["contact"] = {"channel": channel, "address": values[source]}
        header = columns.by_field[source].header
        item.places |= {"$.contact.address": header, "$.contact_id": header}
    return item


def _addresses(values: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Channel, field and address: a phone is one on every phone channel that has no column of its own."""
    found = [
        (channel, channel if values.get(channel) else "phone", values.get(channel) or values.get("phone"))
        for channel in PHONE_CHANNELS
    ]
    found.append(("email", "email", values.get("email")))
    return [(channel, source, address) for channel, source, address in found if address]


def _values(row: Row, columns: Columns) -> tuple[dict[str, Any], list[tuple[str | None, str]]]:
    values: dict[str, Any] = {}
    wrong: list[tuple[str | None, str]] = [(None, row.wrong)] if row.wrong else []
    for name, column in columns.by_field.items():
        text = row.values[column.place] if column.place < len(row.values) else ""
        try:
            values[name] = cells.read(text, column.type) if text else ""
        except Unfit as unfit:
            wrong.append((column.header, str(unfit)))
    return values, wrong


def _found(
    header: Iterable[str], told: Iterable[str], known: Mapping[str, tuple[str, ...]], *, others: bool
) -> Columns:
    headers = list(header)
    by_field: dict[str, Column] = {}
    for each in told:
        column = _told(each, headers, known, others=others)
        by_field[column.field] = column
    taken = {column.place for column in by_field.values()}
    for name, synonyms in known.items():  # a column's own name goes before what it may mean
        for wanted in (name, *synonyms):
            place = next((at for at, each in enumerate(headers) if at not in taken and plain(each) == wanted), None)
            if name not in by_field and place is not None:
                by_field[name] = Column(place, headers[place], name, _type(name))
                taken.add(place)
    unused = []
    for place, each in enumerate(headers):
        if place in taken or not each:
            continue
        name = plain(each)
        if others and name and name not in by_field:
            by_field[name] = Column(place, each, name, _type(name))
        else:
            unused.append(each)
    return Columns(by_field, tuple(unused))


def _told(text: str, headers: list[str], known: Mapping[str, tuple[str, ...]], *, others: bool) -> Column:
    """`Header=field` or `Header=field:type`, as the user gives it. Raises NoColumn."""
    header, equals, meant = text.rpartition("=")
    name, _, kind = meant.partition(":")
    if not equals or not name:
        raise NoColumn(f"--map {text!r}: write HEADER=FIELD, such as 'Bill amt=amount' or 'Bill amt=amount:money'")
    place = next((at for at, each in enumerate(headers) if plain(each) == plain(header)), None)
    if place is None:
        raise NoColumn(f"--map {text!r}: there is no column {header!r}; there are {', '.join(filter(None, headers))}")
    if kind and kind not in get_args(Type):
        raise NoColumn(f"--map {text!r}: a type is one of {', '.join(get_args(Type))}")
    if name not in known and not others and not name.startswith("metadata."):
        raise NoColumn(f"--map {text!r}: a contact has {', '.join(known)}, and metadata.NAME for anything else")
    chosen: Type = next((each for each in get_args(Type) if each == kind), _type(name))
    return Column(place, headers[place], name, chosen)


def _type(name: str) -> Type:
    """What cells of a column hold, by its field's name; `--map` can say otherwise."""
    if name == "consent_at" or name.endswith(("date", "_on")):
        return "date"
    if name.endswith(("amount", "balance", "total", "price")):
        return "money"
    return "number" if DAYS.search(name) else "text"


def _needs(name: str, what: str, header: Iterable[str]) -> str:
    have = ", ".join(each for each in header if each)
    return f"no column says {what}; there are {have}. Name one: --map 'HEADER={name}'"
