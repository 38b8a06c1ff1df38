"""One plausible sample of each fact, made from its struct; a sample that exists is never written again."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import msgspec
from msgspec import inspect as shape

from events import CATEGORIES
from events.base import Event, tag_of

FOLDER = Path("proto-schemas/samples")

NOON = datetime(2026, 2, 16, 6, 30, tzinfo=UTC)

INVOICE = {
    "invoice_number": "INV-2026-0042",
    "amount": 52400,
    "currency": "INR",
    "due_date": "2026-01-30",
    "days_overdue": 17,
}

PLAUSIBLE: dict[str, Any] = {
    "account": "112233445566778",
    "actor": "operator-asha",
    "address": "+919876512345",
    "answers": 7,
    "bundle": "5f0c2a9d4b7e1c38",
    "business_context": INVOICE,
    "business_stream": "business-7c1f0e52a1b94d0c",
    "channel": "whatsapp",
    "channel_priority": ["whatsapp", "email", "voice"],
    "code": "131047",
    "consent_evidence": "signed order form of 2025-04-01",
    "contact_id": "c_123",
    "content": "I have asked accounts to send the copy.",
    "context": INVOICE,
    "currency": "INR",
    "data": {**INVOICE, "contact_id": "c_123"},
    "days_overdue": 17,
    "dedupe_key": "payment:INV-2026-0042",
    "detail": "Monday 12:00 lies between 08:00 and 21:00",
    "digest": "9d1c6a5f0b7e4c2d8a3f",
    "draft": "Ji ma'am, 20 February note kar liya hai. Dhanyavaad.",
    "endpoint": "record_promise",
    "entity_id": "INV-2026-0042",
    "entity_type": "invoice",
    "erp_id": "fu_9001",
    "event": "payment_received",
    "event_name": "invoice_overdue",
    "evidence": "STOP",
    "external_id": "erp-evt-000017",
    "extra_data": {"extracted_info": {"payment_date": "2026-02-20"}},
    "extracted_info": {"payment_date": "2026-02-20"},
    "fingerprint": "c2f1e0d9b8a7968574635241",
    "flow": "payment_reminder",
    "from_state": "reminded",
    "gates": ["contact:c_123", "matter:INV-2026-0042"],
    "inbound": "inbound-whatsapp-4b1d9c7e",
    "instructions": "Ask for a specific payment date.",
    "intents": ["promise_to_pay"],
    "language": "hi-Latn",
    "match": {"entity_id": "INV-2026-0042"},
    "metadata": {"segment": "key account"},
    "model": "claude-haiku-4-5",
    "name": "Priya Sharma",
    "operator": "operator-asha",
    "organization": "Acme Corp",
    "origin": "erp",
    "outcome": "Payment confirmed by contact",
    "payload": {"invoice_id": "INV-2026-0042", "promised_date": "2026-02-20"},
    "previous": "1b7e9c0d2f4a6835",
    "process_type": "payment_collection",
    "provider_id": "wamid.HBgMOTE5ODc2NTEyMzQ1",
    "provider_ref": "5f0c1d9b7a3e42688d0f4be19c6a2d75",
    "purpose": "payment_collection",
    "queue": "collections",
    "reason": "Payment overdue 17 days",
    "reasons": ["days_overdue 17 is at least 3"],
    "reply_to": "c84e0a7f1b2d4936a5e1f07d8c3b9264",
    "result": {"paid": False},
    "result_key": "payment_status",
    "role": "accounts payable",
    "rule": "hours",
    "rule_id": "overdue_reminder",
    "scope": "contact:c_123",
    "sender": "+919876512345",
    "sender_name": "Priya Sharma",
    "sentiment": "neutral",
    "source": "infra/config/policy.yaml:4",
    "state": "promised",
    "status": "delivered",
    "step": "send_reminder",
    "template": "payment_reminder_1",
    "template_name": "payment_reminder",
    "text": "Haan ji, 20 February tak kar denge",
    "to": "+919876512345",
    "to_state": "promised",
    "trigger_value": "promise_to_pay",
    "turn": "turn-2f1c",
    "undefined": ["discount"],
    "value": "promise_to_pay",
    "why": ["days_overdue 17 is at least 3"],
    "words": {"payment_date": "20 February tak"},
}
"""Values by field name, where one of the type alone would tell a reader nothing; taken when the type allows it."""

PLAUSIBLE_MAPPINGS: dict[str, dict[str, Any]] = {
    "intents": {"promise_to_pay": "says when they will pay", "already_paid": "says that it is paid"},
    "variables": {"contact_name": "Priya", "invoice_number": "INV-2026-0042", "amount": "₹52,400"},
}
"""The same for fields that are mappings, where another type has a list under that name."""


def sample(kind: type[Event]) -> str:
    """A plausible fact of this type as indented JSON with every field present; the same text for ever."""
    value = {"type": tag_of(kind), **_object(shape.type_info(kind))}
    decoded = msgspec.convert(json.loads(json.dumps(value)), kind)
    if not isinstance(decoded, kind):
        raise TypeError(f"the sample of {tag_of(kind)} reads as {type(decoded).__name__}")
    return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


def kinds() -> Iterator[type[Event]]:
    """Every type of the vocabulary, retired ones included."""
    for category in CATEGORIES:
        yield from category.types.values()


def write_missing(root: Path) -> list[Path]:
    """Write a sample for each type that has none; returns the new files."""
    written = []
    folder = root / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for kind in kinds():
        tag = tag_of(kind)
        if not (folder / f"{tag}.json").exists() and not any(folder.glob(f"{tag}.*.json")):
            path = folder / f"{tag}.json"
            path.write_text(sample(kind), encoding="utf-8")
            written.append(path)
    return written


def _object(info: shape.Type) -> dict[str, Any]:
    if not isinstance(info, shape.StructType | shape.DataclassType | shape.TypedDictType):
        raise TypeError(f"{info} has no fields")
    return {field.encode_name: _value(field.encode_name, field.type) for field in info.fields}


def _value(name: str, info: shape.Type) -> Any:
    for known in (PLAUSIBLE, PLAUSIBLE_MAPPINGS):
        if name in known and _allows(info, known[name]):
            return known[name]
    match info:
        case shape.UnionType(types=types):
            return _value(name, next((one for one in types if not isinstance(one, shape.NoneType)), types[0]))
        case shape.LiteralType(values=values):
            return values[0]
        case shape.EnumType(cls=cls):
            return next(iter(cls)).value
        case shape.ListType(item_type=item) | shape.VarTupleType(item_type=item) | shape.SetType(item_type=item):
            return [_value(name.removesuffix("s"), item)]
        case shape.DictType(value_type=item):
            return {f"{name.removesuffix('s')}-1": _value(f"{name}-value", item)}
        case shape.StructType() | shape.DataclassType() | shape.TypedDictType():
            return _object(info)
        case shape.BoolType():
            return True
        case shape.IntType():
            return 1
        case shape.FloatType():
            return 0.5
        case shape.DecimalType():
            return "52400.00"
        case shape.DateTimeType():
            return NOON.isoformat().replace("+00:00", "Z")
        case shape.DateType():
            return NOON.date().isoformat()
        case shape.UUIDType():
            return str(uuid5(NAMESPACE_URL, name))
        case shape.StrType():
            return f"{name.replace('_', '-')}-1"
        case shape.NoneType():
            return None
        case shape.AnyType():
            return {"paid": False}
    raise TypeError(f"no sample is known for {info} of the field {name!r}: teach tools/samples.py")


def _allows(info: shape.Type, value: Any) -> bool:
    """Whether a value fits a type; a literal field takes only its own words."""
    match info:
        case shape.AnyType():
            return True
        case shape.UnionType(types=types):
            return any(_allows(one, value) for one in types)
        case shape.LiteralType(values=values):
            return value in values
        case shape.StrType():
            return isinstance(value, str)
        case shape.IntType():
            return isinstance(value, int)
        case shape.ListType(item_type=item):
            return isinstance(value, list) and all(_allows(item, one) for one in value)
        case shape.DictType(value_type=item):
            return isinstance(value, dict) and all(_allows(item, one) for one in value.values())
    return False
