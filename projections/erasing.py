"""What read models hold of somebody who was erased: their rows are made anew from facts that nobody can read any more."""

from collections.abc import Sequence
from typing import Any

from events.base import Recorded
from events.contact import Erased
from libs.kit.codec import COLUMNS
from libs.kit.codec import Row as Stored
from libs.kit.store import Store
from libs.kit.world import World
from projections.base import Held, Projection, Row, by_kind
from projections.calls import Call
from projections.contacts import Contact
from projections.conversations import Conversation
from projections.followups import Followup
from projections.policy_decisions import PolicyDecision
from projections.rule_evaluations import RuleEvaluation

CONTACTS = """WITH RECURSIVE known AS (
    SELECT $2::text COLLATE "C" AS contact
    UNION
    SELECT substr(k.name, 9) COLLATE "C" FROM known
    JOIN keys.data_key k ON k.tenant = $1 AND k.contact = known.contact AND k.name LIKE 'contact-%'
)
SELECT contact FROM known"""
"""The contact, and strangers who turned out to be it."""
CONVERSATIONS = "SELECT id FROM read.conversations WHERE tenant = $1 AND contact_id = ANY($2)"
FACTS = f"""SELECT {COLUMNS} FROM log.event WHERE shard = $1 AND tenant = $2 AND pos <= $6 AND (
    stream_id = ANY($5)
    OR stream_id IN (SELECT 'followup-' || id FROM read.followups WHERE tenant = $2 AND contact_id = ANY($3))
    OR stream_id IN (SELECT 'call-' || id FROM read.calls
        WHERE tenant = $2 AND (contact_id = ANY($3) OR conversation_id = ANY($4)))
    OR pos IN (SELECT pos FROM read.timeline WHERE tenant = $2 AND conversation_id = ANY($4))
    OR pos IN (SELECT pos FROM read.rule_evaluations WHERE tenant = $2 AND business_stream IN (
        SELECT business_stream FROM read.rule_evaluations WHERE tenant = $2 AND contact_id = ANY($3)))
    OR pos IN (SELECT pos FROM read.policy_decisions WHERE tenant = $2 AND contact_id = ANY($3))
) ORDER BY pos"""  # noqa: S608 - columns of our own
EVALUATIONS = "DELETE FROM read.rule_evaluations WHERE tenant = $1 AND pos = ANY($2)"
FAMILIES = ("contact", "consent", "reach")


class Erasing:
    """Makes rows anew by the same `apply` that a rebuild uses, so that the two agree."""

    def __init__(self, store: Store, projections: Sequence[Projection]) -> None:
        self._store = store
        self._hear = by_kind(projections)

    async def rows(self, fact: Recorded[Erased], about: World) -> list[Row]:
        """The rows of a contact as they are to be now, the fact in hand included; those that are no more are deleted."""
        tenant = fact.tenant
        self._store.keyring.forget(tenant)  # the news of the keys may be on its way yet
        contacts = [row["contact"] for row in await about.db.fetch(CONTACTS, tenant, fact.event.contact_id)]
        conversations = [row["id"] for row in await about.db.fetch(CONVERSATIONS, tenant, contacts)]
        streams = [f"{family}-{each}" for family in FAMILIES for each in contacts]
        shard = await self._store.shard_of(tenant)
        rows = await about.db.fetch(FACTS, shard, tenant, contacts, conversations, streams, fact.pos)
        await about.db.execute(EVALUATIONS, tenant, [row["pos"] for row in rows])  # erased, it says nothing of any rule
        held = Held()
        for each in await self._store.unseal([Stored(*row) for row in rows]):
            for projection in self._hear.get(type(each.event), ()):
                projection.take(each, held)
        mine, theirs = set(contacts), set(conversations)
        return [row for kind in self._kinds() for row in held.all(kind) if _is_about(row, mine, theirs)]

    def _kinds(self) -> list[type[Row]]:
        return list({kind: None for each in self._hear.values() for projection in each for kind in projection.rows})


def _is_about(row: Any, contacts: set[str], conversations: set[str]) -> bool:
    """Whether a row is the contact's own; a fact that led to one may be about others too, whose rows stay."""
    match row:
        case Contact() | Conversation():
            return row.id in contacts or row.id in conversations
        case Followup():
            return row.contact_id in contacts
        case Call():
            return row.contact_id in contacts or row.conversation_id in conversations
        case RuleEvaluation() | PolicyDecision():
            return True  # each says what one fact does, all of which is at hand
        case _:
            return getattr(row, "conversation_id", None) in conversations
