"""Whatever a fact holds comes back as it was, sealed in between; old versions come back in today's words."""

import string
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from events import CATEGORIES
from events.base import Category, Event, Personal, Recorded, UnknownFact, personal_fields, tag_of
from libs.kit.codec import Codec, Row, encode_meta
from libs.kit.crypto import DataKey, Keys
from libs.testkit.nouns import NOON, TENANT
from tests.libs.kit.ledger import PARCEL, Address, Moved, Sent, SentV1, cause

KEY = DataKey("contact-1", bytes(range(32)))
HELD: Keys = {(TENANT, "contact-1"): KEY}
GONE: Keys = {(TENANT, "contact-1"): None}
CODEC = Codec([PARCEL])
STREAM = "parcel-1"

text = st.text(st.characters(exclude_categories=["Cs"]))
json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)
addresses = st.builds(Address, street=text, floor=st.integers(-5, 200))
parcels = st.builds(
    Sent,
    receiver=text,
    address=addresses,
    weight=st.integers(0, 10**9),
    born=st.none() | st.dates(),
    notes=st.lists(text, max_size=3),
    data=st.dictionaries(text, json, max_size=3),
    fragile=st.booleans(),
)


def stored(event: Event, key: DataKey | None = KEY, *, stream: str = STREAM, data: bytes | None = None) -> Row:
    tag = tag_of(type(event))
    if data is None:
        data = CODEC.shape_of(event).encode(event, TENANT, stream, "contact-1", key)
    meta = encode_meta(cause(), None)
    zero = UUID(int=0)
    return Row(
        1, stream, 1, TENANT, "parcel", tag, zero, zero, None, NOON, datetime(2026, 1, 1, tzinfo=UTC), meta, data
    )


def read(row: Any, keys: Keys = HELD, codec: Codec = CODEC) -> Recorded[Event]:
    half, needed = codec.read([row])
    assert needed <= keys.keys()
    return codec.finish([row], half, keys)[0]


@given(parcels)
def test_a_fact_comes_back_as_it_was(parcel: Sent):
    assert read(stored(parcel)).event == parcel


@given(parcels)
def test_only_what_is_not_personal_is_left_of_an_erased_fact(parcel: Sent):
    erased = read(stored(parcel), GONE).event
    assert isinstance(erased, Sent)
    assert (erased.receiver, erased.address) == ("[erased]", Address(street="[erased]"))
    assert (erased.born, erased.notes, erased.data) == (None, [], {})
    assert (erased.weight, erased.fragile) == (parcel.weight, parcel.fragile)


@given(st.text(string.ascii_letters, min_size=8), st.text(string.ascii_letters, min_size=8))
def test_no_personal_text_is_left_in_the_json(name: str, street: str):
    data = stored(Sent(receiver=name, address=Address(street=street), weight=1)).data
    decoded = msgspec.json.decode(data)
    assert set(decoded) == {"type", "receiver", "address", "weight"}
    assert all(decoded[field].startswith("s1.contact-1.") for field in ("receiver", "address"))
    assert name.encode() not in data
    assert street.encode() not in data


@given(parcels)
def test_a_fact_whose_key_is_gone_before_it_comes_reads_as_erased(parcel: Sent):
    row = stored(parcel, None)
    assert CODEC.read([row])[1] == set()
    assert read(row, {}).event == read(stored(parcel), GONE).event


def test_fields_at_their_default_are_left_out_and_need_no_key():
    assert msgspec.json.decode(stored(Sent(receiver="", address=Address(street=""), weight=0)).data).keys() == {
        "type",
        "receiver",
        "address",
        "weight",
    }
    assert CODEC.read([stored(Moved(to="Pune"))])[1] == set()


def test_a_retired_version_comes_back_in_todays_words():
    fact = read(stored(SentV1(receiver="Priya")))
    assert fact.event == Sent(receiver="Priya", address=Address(street=""), weight=0)
    assert fact.envelope.type == "parcel.sent.v1"


def test_an_unknown_field_is_ignored():
    row = stored(Moved(to="Pune"), data=b'{"type":"parcel.moved.v1","to":"Pune","colour":"red"}')
    assert read(row).event == Moved(to="Pune")


def test_an_unknown_type_is_an_error():
    with pytest.raises(UnknownFact, match=r"parcel\.moved\.v1"):
        Codec([]).read([stored(Moved(to="Pune"))])


def test_rows_may_come_as_the_bus_carries_them():
    row = stored(Sent(receiver="Priya", address=Address(street="x"), weight=1))

    class Carried(msgspec.Struct):
        pos: int
        stream: str
        version: int
        tenant: str
        type: str
        event_id: UUID
        correlation_id: UUID
        causation_id: UUID | None
        occurred_at: datetime
        recorded_at: datetime
        meta: msgspec.Raw
        data: msgspec.Raw

    values = {name: getattr(row, name) for name in Carried.__struct_fields__}
    carried = Carried(**(values | {"meta": msgspec.Raw(row.meta), "data": msgspec.Raw(row.data)}))
    assert read(carried).event == read(row).event


def test_a_mark_whose_erased_value_does_not_fit_its_field_is_refused_at_start():
    class Weighed(Event, tag="scale.weighed.v1"):
        grams: Annotated[int, Personal("[erased]")]

    with pytest.raises(TypeError, match=r"Weighed\.grams: '\[erased\]', to be read once erased, does not fit"):
        Codec([Category("scale", current=(Weighed,))])


def test_what_is_read_once_erased_fits_every_field_of_the_vocabulary():
    codec = Codec(CATEGORIES)  # refuses marks that do not
    personal = {tag for tag, kind in codec.types.items() if personal_fields(kind)}
    assert {"contact.registered.v1", "inbound.received.v1"} <= personal


class Labelled(Event, tag="label.put.v1"):
    """Personal fields with defaults of other kinds than `Sent` has."""

    words: Annotated[str, Personal()] = "none"
    sender: Annotated[Address, Personal({"street": "[erased]"})] = msgspec.field(
        default_factory=lambda: Address(street="")
    )


def labelled(event: Event) -> tuple[Row, Event]:
    codec = Codec([Category("label", current=(Labelled,))])
    row = stored(event, data=codec.shape_of(event).encode(event, TENANT, STREAM, "contact-1", KEY))
    return row, read(row, codec=codec).event


def test_a_personal_field_is_left_out_at_its_default_whatever_that_is():
    row, event = labelled(Labelled())
    assert msgspec.json.decode(row.data) == {"type": "label.put.v1"}
    assert event == Labelled()


def test_a_personal_field_is_sealed_whatever_its_default_is():
    fact = Labelled(words="to Priya", sender=Address(street="x"))
    row, event = labelled(fact)
    assert b"Priya" not in row.data
    assert event == fact


def test_a_fact_that_lacks_a_required_personal_field_is_an_error():
    row = stored(Sent(receiver="", address=Address(street=""), weight=1), data=b'{"type":"parcel.sent.v2","weight":1}')
    with pytest.raises(msgspec.ValidationError, match="receiver"):
        read(row)


def test_a_fact_that_was_opened_can_be_opened_again():
    row = stored(Sent(receiver="Priya", address=Address(street="x"), weight=1))
    half, _ = CODEC.read([row])
    assert CODEC.finish([row], half, HELD) == CODEC.finish([row], half, HELD)
