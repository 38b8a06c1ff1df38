"""Ids are the same for the same thing, and different for any other."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from libs.kit import ids

CAUSE = UUID(int=7)
parts = st.lists(st.text(), min_size=1, max_size=3)


def test_an_event_id_follows_from_its_cause_and_place():
    same = ids.event_id(CAUSE, "orchestrator", "conversation-1", 0)
    assert same == ids.event_id(CAUSE, "orchestrator", "conversation-1", 0)
    others = {
        ids.event_id(UUID(int=8), "orchestrator", "conversation-1", 0),
        ids.event_id(CAUSE, "rules", "conversation-1", 0),
        ids.event_id(CAUSE, "orchestrator", "conversation-2", 0),
        ids.event_id(CAUSE, "orchestrator", "conversation-1", 1),
    }
    assert len(others | {same}) == 5


@given(parts, parts)
def test_other_parts_give_another_digest(one: list[str], other: list[str]):
    assert (ids.digest(*one) == ids.digest(*other)) == (one == other)
    assert len(ids.digest(*one)) == 32


def test_causes_from_outside_belong_to_a_tenant_and_a_source():
    same = ids.cause_id("default", "erp", "42")
    assert same == ids.cause_id("default", "erp", "42")
    assert len({same, ids.cause_id("acme", "erp", "42"), ids.cause_id("default", "shop", "42")}) == 3


def test_fresh_ids_differ():
    assert len({ids.fresh() for _ in range(100)}) == 100
