"""No fact holds an id of Meta's in clear, whoever writes it, and old ones that do are read as if they did not."""

from pathlib import Path

import msgspec
import pytest

from events.base import Event, personal_fields
from events.conversation import ContactSaid, MessageRequested, OutcomeHeard
from events.inbound import Received, StatusReceived
from events.message import Accepted
from events.refs import ref_of
from libs.kit import ids
from tools.guards.generated import read_sample, sample_files
from tools.samples import sample

ROOT = Path(__file__).resolve().parents[2]
WAMID = "wamid.HBgMOTE5ODc2NTQzMjEwFQIAERgSQjk2NzQ3NDQxQ0VCNzUwNEE0AA=="


def test_a_fact_is_written_with_what_stands_for_the_id():
    fact = Accepted(conversation="c", channel="whatsapp", provider_ref=WAMID, provider_id=WAMID)
    assert (fact.provider_ref, fact.provider_id) == (ref_of(WAMID), WAMID)
    assert fact == Accepted(conversation="c", channel="whatsapp", provider_ref=ref_of(WAMID), provider_id=WAMID)


def test_what_stands_for_an_id_names_the_stream_that_it_came_in():
    assert ref_of(WAMID) == ids.digest(WAMID)


@pytest.mark.parametrize("ref", ["b6f3a1@mail.example", "3f2c-uuid", ref_of(WAMID), "917"])
def test_other_ids_stay_as_they_are(ref: str):
    assert Accepted(conversation="c", channel="email", provider_ref=ref).provider_ref == ref


@pytest.mark.parametrize("kind", [Accepted, Received, StatusReceived, ContactSaid, OutcomeHeard, MessageRequested])
def test_a_fact_from_before_is_read_with_what_stands_for_the_id(kind: type[Event]):
    old = msgspec.json.decode(sample(kind)) | {
        name: WAMID for name in ("provider_ref", "reply_to") if name in kind.__struct_fields__
    }
    read = msgspec.convert(old, kind)
    for name in ("provider_ref", "reply_to"):
        assert getattr(read, name, ref_of(WAMID)) == ref_of(WAMID)


def test_no_fact_that_was_ever_sampled_shows_an_id_of_metas():
    for path in sample_files(ROOT):
        event = read_sample(path)
        hidden = personal_fields(type(event))
        shown = {name: getattr(event, name) for name in event.__struct_fields__ if name not in hidden}
        if not path.name.startswith("call."):  # whose samples have an id of Meta's in the place of Exotel's
            assert "wamid." not in repr(shown), path.name
