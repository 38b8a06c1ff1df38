"""The orchestrator's index rows: what each of its own facts changes in them, and how they are asked."""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

import msgspec

from events.base import Draft, Event
from events.contact import Lookup
from events.conversation import Closed, MatterSettled, Opened, ProcessBound
from events.dialogue import Migrated
from events.followup import Cancelled, Exhausted, Joined, Resolved
from events.followup import Opened as FollowupOpened
from libs.domain.contact import is_stranger
from libs.domain.rules import Holder
from libs.kit.world import Row
from services.orchestrator import approached
from services.orchestrator.rows import Rows

Standing = Literal["stranger", "implied", "learnt", "registered"]
STANDINGS: tuple[Standing, ...] = ("stranger", "implied", "learnt", "registered")
"""How well an address is known as somebody's: a stranger's own; a phone that was registered for another channel; one that a
provider named beside a known one; one that the ERP registered or found. The better one counts."""


# Few values in many rows: from each to the next by the index, which DISTINCT does not do.
BUNDLES = """WITH RECURSIVE used AS (
    SELECT min(bundle) AS bundle FROM orchestrator.binding WHERE tenant = $1
    UNION ALL
    SELECT (SELECT min(b.bundle) FROM orchestrator.binding b WHERE b.tenant = $1 AND b.bundle > used.bundle)
    FROM used WHERE used.bundle IS NOT NULL
)
SELECT bundle FROM used WHERE bundle IS NOT NULL"""
MATCHES = """WITH RECURSIVE used AS (
    SELECT min(match) AS match FROM orchestrator.cancellation WHERE tenant = $1 AND event = $2
    UNION ALL
    SELECT (SELECT min(c.match) FROM orchestrator.cancellation c
        WHERE c.tenant = $1 AND c.event = $2 AND c.match > used.match)
    FROM used WHERE used.match IS NOT NULL
)
SELECT match FROM used WHERE match IS NOT NULL"""


@dataclass(frozen=True, slots=True)
class Binding:
    """Where an entity's process runs."""

    process_type: str
    conversation: str
    matter: str
    bundle: str


class Index:
    """The index rows of one tenant."""

    def __init__(self, rows: Rows, tenant: str) -> None:
        self._rows = rows
        self._tenant = tenant

    async def contacts_by_address(self, channel: str, digests: Sequence[str]) -> list[str]:
        """The contacts whom these addresses name, in their order, each once."""
        found = [await self._address(channel, digest) for digest in digests]
        return list(dict.fromkeys(row["contact"] for row in found if row is not None))

    async def is_known(self, channel: str, digest: str, contact: str, standing: Standing) -> bool:
        """Whether an address leads to a contact already, and is known as theirs at least as well."""
        row = await self._address(channel, digest)
        return row is not None and row["contact"] == contact and row["standing"] >= STANDINGS.index(standing)

    async def _address(self, channel: str, digest: str) -> Any:
        rows = await self._rows.recall(
            _address(self._tenant, channel, digest),
            "SELECT contact, standing FROM orchestrator.address WHERE tenant = $1 AND channel = $2 AND digest = $3",
            self._tenant,
            channel,
            digest,
        )
        return rows[0] if rows else None

    async def claimants(self, channel: str, digests: Sequence[str]) -> list[str]:
        """Every contact for whom the ERP has registered one of these addresses."""
        sql = "SELECT contact FROM orchestrator.claimed_address WHERE tenant = $1 AND channel = $2 AND digest = $3"
        found: set[str] = set()
        for digest in digests:
            about = _address(self._tenant, channel, digest)
            found.update(row["contact"] for row in await self._rows.recall(about, sql, self._tenant, channel, digest))
        return sorted(found)

    async def sharing_with(self, contact: str, channel: str) -> list[str]:
        """The others for whom an address of this contact's on a channel is registered, too."""
        rows = await self._rows.fetch(
            "SELECT DISTINCT other.contact FROM orchestrator.claimed_address mine"
            " JOIN orchestrator.claimed_address other USING (tenant, channel, digest)"
            " WHERE tenant = $1 AND mine.contact = $2 AND channel = $3 AND other.contact <> $2 ORDER BY other.contact",
            self._tenant,
            contact,
            channel,
        )
        return [row["contact"] for row in rows]

    async def claimed_by_others(self, contact: str, lookups: Sequence[Lookup]) -> list[tuple[str, str]]:
        """The channels of these addresses at which others are registered, too, each with who."""
        if not lookups:
            return []
        rows = await self._rows.recall_of(
            [_address(self._tenant, each.channel, each.digest) for each in lookups],
            "SELECT DISTINCT channel, contact FROM orchestrator.claimed_address"
            " WHERE tenant = $1 AND (channel, digest) IN (SELECT * FROM unnest($2::text[], $3::text[])) AND contact <> $4"
            " ORDER BY channel, contact",
            self._tenant,
            tuple(each.channel for each in lookups),
            tuple(each.digest for each in lookups),
            contact,
        )
        return [(row["channel"], row["contact"]) for row in rows]

    async def conversation_of(self, contact: str) -> tuple[str | None, str | None]:
        """A contact's open conversation, and the last one."""
        rows = await self._rows.recall(
            _contact(self._tenant, contact),
            "SELECT conversation, last FROM orchestrator.contact_conversation WHERE tenant = $1 AND contact = $2",
            self._tenant,
            contact,
        )
        return (rows[0]["conversation"], rows[0]["last"]) if rows else (None, None)

    async def bindings(self, process_types: Sequence[str], entity_ids: Sequence[str]) -> list[Binding]:
        """The open processes of these entities: one may run with several contacts."""
        rows = await self._rows.fetch(
            "SELECT process_type, conversation, matter, bundle FROM orchestrator.binding"
            " WHERE tenant = $1 AND process_type = ANY($2) AND entity_id = ANY($3) ORDER BY conversation, matter",
            self._tenant,
            list(process_types),
            [id_ for id_ in entity_ids if not _is_nobodys(id_)],
        )
        return [Binding(*row) for row in rows]

    async def bundles(self) -> list[str]:
        """The bundles that open processes are pinned to."""
        rows = await self._rows.fetch(BUNDLES, self._tenant)
        return [row["bundle"] for row in rows]

    async def holder(self, key: str) -> Holder | None:
        """The newest follow-up of a key."""
        row = await self._rows.fetchrow(
            "SELECT followup, opened_at, settled FROM orchestrator.dedupe WHERE tenant = $1 AND key = $2",
            self._tenant,
            key,
        )
        return Holder(row["followup"], row["opened_at"], row["settled"]) if row else None

    async def waiting_for(self, contact: str) -> list[str]:
        """The follow-ups that wait for a contact."""
        rows = await self._rows.fetch(
            "SELECT followup FROM orchestrator.waiting WHERE tenant = $1 AND contact = $2 ORDER BY followup",
            self._tenant,
            contact,
        )
        return [row["followup"] for row in rows]

    async def waiting_messages(self, channel: str, digest: str) -> list[str]:
        """The streams of the messages that wait for their sender's name."""
        rows = await self._rows.fetch(
            "SELECT stream FROM orchestrator.waiting_sender WHERE tenant = $1 AND channel = $2 AND digest = $3"
            " ORDER BY stream",
            self._tenant,
            channel,
            digest,
        )
        return [row["stream"] for row in rows]

    async def matches(self, event: str) -> list[str]:
        """The different ways (JSON) in which open follow-ups name what this event is about."""
        rows = await self._rows.fetch(MATCHES, self._tenant, event)
        return [row["match"] for row in rows]

    async def cancelled_by(self, event: str, match: str, entity_id: str | None) -> list[str]:
        """The open follow-ups that this event may make pointless."""
        if entity_id is not None and _is_nobodys(entity_id):
            return []
        sql = "SELECT followup FROM orchestrator.cancellation WHERE tenant = $1 AND event = $2 AND match = $3"
        if entity_id is None:
            rows = await self._rows.fetch(f"{sql} ORDER BY followup", self._tenant, event, match)
        else:
            rows = await self._rows.fetch(
                f"{sql} AND entity_id = $4 ORDER BY followup", self._tenant, event, match, entity_id
            )
        return [row["followup"] for row in rows]


def _is_nobodys(entity_id: str) -> bool:
    """No entity that is followed has such an id, and Postgres cannot be asked for one."""
    return "\0" in entity_id


def _address(tenant: str, channel: str, digest: str) -> Hashable:
    """Whose an address is, and for whom it is registered."""
    return "address", tenant, channel, digest


def _contact(tenant: str, contact: str) -> Hashable:
    """Which conversation is a contact's."""
    return "conversation", tenant, contact


def know_address(tenant: str, channel: str, digest: str, contact: str, standing: Standing) -> Row:
    """An address leads to a contact from now on, unless it is better known as somebody else's."""
    return Row(
        "INSERT INTO orchestrator.address AS known (tenant, channel, digest, contact, standing)"
        " VALUES ($1, $2, $3, $4, $5) ON CONFLICT (tenant, channel, digest) DO UPDATE"
        " SET contact = excluded.contact, standing = greatest("
        "CASE WHEN known.contact = excluded.contact THEN known.standing END, excluded.standing)"
        " WHERE excluded.standing >= known.standing OR known.contact = excluded.contact",
        (tenant, channel, digest, contact, STANDINGS.index(standing)),
        alters=_address(tenant, channel, digest),
    )


def lookup_rows(tenant: str, contact: str, lookup: Lookup) -> list[Row]:
    """An address that the ERP told of a contact, and whoever waited to be named by it."""
    standing: Standing = "implied" if lookup.implied else "registered"
    if is_stranger(contact):
        standing = "stranger"
    rows = [
        know_address(tenant, lookup.channel, lookup.digest, contact, standing),
        sender_is_known(tenant, lookup.channel, lookup.digest),
    ]
    return rows if is_stranger(contact) else [*rows, claim_address(tenant, lookup.channel, lookup.digest, contact)]


def claim_address(tenant: str, channel: str, digest: str, contact: str) -> Row:
    """An address is registered for this contact, perhaps among others."""
    return Row(
        "INSERT INTO orchestrator.claimed_address (tenant, channel, digest, contact) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT DO NOTHING",
        (tenant, channel, digest, contact),
        alters=_address(tenant, channel, digest),
    )


def give_up_address(tenant: str, channel: str, digest: str, contact: str) -> Row:
    """An address is no longer registered for this contact."""
    return Row(
        "DELETE FROM orchestrator.claimed_address WHERE tenant = $1 AND channel = $2 AND digest = $3 AND contact = $4",
        (tenant, channel, digest, contact),
        alters=_address(tenant, channel, digest),
    )


def forget_address(tenant: str, channel: str, digest: str, contact: str) -> Row:
    """An address is no longer this contact's."""
    return Row(
        "DELETE FROM orchestrator.address WHERE tenant = $1 AND channel = $2 AND digest = $3 AND contact = $4",
        (tenant, channel, digest, contact),
        alters=_address(tenant, channel, digest),
    )


def wait_for_contact(tenant: str, contact: str, followup: str) -> Row:
    return Row(
        "INSERT INTO orchestrator.waiting (tenant, contact, followup) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        (tenant, contact, followup),
    )


def contact_is_known(tenant: str, contact: str) -> Row:
    return Row("DELETE FROM orchestrator.waiting WHERE tenant = $1 AND contact = $2", (tenant, contact))


def wait_for_sender(tenant: str, channel: str, digest: str, stream: str) -> Row:
    return Row(
        "INSERT INTO orchestrator.waiting_sender (tenant, channel, digest, stream) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT DO NOTHING",
        (tenant, channel, digest, stream),
    )


def sender_is_known(tenant: str, channel: str, digest: str) -> Row:
    return Row(
        "DELETE FROM orchestrator.waiting_sender WHERE tenant = $1 AND channel = $2 AND digest = $3",
        (tenant, channel, digest),
    )


def rows_of(tenant: str, draft: Draft, now: datetime) -> Iterator[Row]:
    """What one of our own facts changes in the index."""
    event: Event = draft.event
    stream_id = draft.stream.partition("-")[2]
    match event:
        case FollowupOpened():
            yield from _opened(tenant, stream_id, event, now)
        case Joined():
            yield Row(
                "DELETE FROM orchestrator.waiting WHERE tenant = $1 AND contact = $2 AND followup = $3",
                (tenant, draft.subject, stream_id),
            )
        case Resolved() | Exhausted() | Cancelled():
            yield Row(
                "UPDATE orchestrator.dedupe SET settled = true WHERE tenant = $1 AND followup = $2", (tenant, stream_id)
            )
            yield Row("DELETE FROM orchestrator.cancellation WHERE tenant = $1 AND followup = $2", (tenant, stream_id))
            yield Row(
                "DELETE FROM orchestrator.waiting WHERE tenant = $1 AND contact = $2 AND followup = $3",
                (tenant, draft.subject, stream_id),
            )
        case Opened():
            yield Row(
                "INSERT INTO orchestrator.contact_conversation (tenant, contact, conversation, last)"
                " VALUES ($1, $2, $3, $3) ON CONFLICT (tenant, contact)"
                " DO UPDATE SET conversation = excluded.conversation, last = excluded.last",
                (tenant, event.contact_id, stream_id),
                alters=_contact(tenant, event.contact_id),
            )
        case Closed():
            yield Row(
                "UPDATE orchestrator.contact_conversation SET conversation = NULL"
                " WHERE tenant = $1 AND contact = $2 AND conversation = $3",
                (tenant, draft.subject, stream_id),
                alters=_contact(tenant, draft.subject or ""),
            )
        case ProcessBound(process_type=str(process_type), entity_id=str(entity_id)):
            yield Row(
                "INSERT INTO orchestrator.binding (tenant, process_type, entity_id, conversation, matter, bundle)"
                " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (tenant, process_type, entity_id, matter) DO UPDATE"
                " SET conversation = excluded.conversation, bundle = excluded.bundle",
                (tenant, process_type, entity_id, stream_id, event.matter, event.bundle),
            )
        case Migrated():
            yield Row(
                "UPDATE orchestrator.binding SET bundle = $3 WHERE tenant = $1 AND matter = $2",
                (tenant, event.matter, event.to_bundle),
            )
        case MatterSettled():
            yield Row("DELETE FROM orchestrator.binding WHERE tenant = $1 AND matter = $2", (tenant, event.matter))
        case _:
            yield from approached.rows_of(tenant, draft, now)


def _opened(tenant: str, followup: str, event: FollowupOpened, now: datetime) -> Iterator[Row]:
    if event.dedupe_key is not None:
        yield Row(
            "INSERT INTO orchestrator.dedupe (tenant, key, followup, opened_at) VALUES ($1, $2, $3, $4)"
            " ON CONFLICT (tenant, key) DO UPDATE"
            " SET followup = excluded.followup, opened_at = excluded.opened_at, settled = false",
            (tenant, event.dedupe_key, followup, now),
        )
    for cancel in event.cancel_on:
        match = msgspec.json.encode(cancel.match, order="sorted").decode()
        yield Row(
            "INSERT INTO orchestrator.cancellation (tenant, event, followup, match, entity_id, contact)"
            " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
            (tenant, cancel.event, followup, match, event.entity_id, event.contact_id),
        )
