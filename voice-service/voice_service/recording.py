"""Recordings of calls: begun, kept for as long as the settings say, read back, and deleted, each of it once."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

import asyncpg
import structlog

from events.call import DeletionReason, RecordingDeleted, RecordingStored
from libs.domain.recording import Recording, recording_of
from libs.kit import telemetry
from libs.kit.clock import Clock
from libs.kit.failures import left_for_later, passes
from libs.kit.objects import Objects, ObjectsAway
from libs.kit.store import Store
from voice_service.calls import Call
from voice_service.facts import Facts, known
from voice_service.recorder import Recorder
from voice_service.tracks import seconds

log = structlog.get_logger(__name__)

EVERY_S = 30.0
AGAIN_S = 0.5
ORPHANED_S = 60.0
"""How long nothing has come of a recording whose call is over until its process is taken for dead."""

_BEGIN = """INSERT INTO voice.recording (tenant, call, contact, place, announced, retention)
VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING RETURNING true"""
_PART = "UPDATE voice.recording SET parts = $3, size = $4, at = now() WHERE tenant = $1 AND call = $2"
_END = """UPDATE voice.recording SET state = 'kept', complete = $3, at = now(),
    delete_at = CASE WHEN $4::text IS NULL THEN least(delete_at, $5::timestamptz + retention) ELSE '-infinity' END,
    reason = coalesce(reason, $4)
WHERE tenant = $1 AND call = $2 AND state = 'recording'"""
_ORPHANS = """UPDATE voice.recording r SET state = 'kept', complete = false,
    delete_at = CASE WHEN r.parts = 0 THEN '-infinity' ELSE least(r.delete_at, $1::timestamptz + r.retention) END,
    reason = CASE WHEN r.parts = 0 THEN coalesce(r.reason, 'lost') ELSE r.reason END
FROM voice.call c WHERE c.tenant = r.tenant AND c.call = r.call AND c.state = 'over' AND r.state = 'recording'
    AND r.at < now() - make_interval(secs => $2) AND r.call <> ALL($3)"""
_ROW = """SELECT r.*, c.conversation, c.correlation FROM voice.recording r JOIN voice.call c USING (tenant, call)
WHERE """
_UNTOLD = _ROW + "r.state = 'kept' AND NOT r.told AND r.reason IS NULL AND r.parts > 0 LIMIT 100"
_TOLD = "UPDATE voice.recording SET told = true WHERE tenant = $1 AND call = $2"
_DUE = _ROW + "r.state = 'kept' AND r.delete_at <= $1 LIMIT 100"
_DELETED = "UPDATE voice.recording SET state = 'deleted', deleted_at = $3 WHERE tenant = $1 AND call = $2"
_SHRED = "SELECT voice.destroy_recording_key($1, $2)"
_KEPT = "SELECT * FROM voice.recording WHERE tenant = $1 AND call = $2"
ERASE = """UPDATE voice.recording SET delete_at = '-infinity', reason = 'erased'
WHERE tenant = $1 AND state <> 'deleted' AND contact IN (
    WITH RECURSIVE known AS (
        SELECT $2::text COLLATE "C" AS contact
        UNION
        SELECT substr(k.name, 9) COLLATE "C" FROM known
        JOIN keys.data_key k ON k.tenant = $1 AND k.contact = known.contact AND k.name LIKE 'contact-%'
    )
    SELECT contact FROM known)"""
"""What is deleted of a contact who was erased; its keys are destroyed already."""

_STATES = telemetry.counter("voice_recordings", "Recordings that were stored and deleted.", "what")


@dataclass(frozen=True, slots=True)
class Kept:
    """A recording that can be heard: `size` bytes of stereo sound, in parts."""

    size: int
    sound: AsyncIterator[bytes]


class NotKept(Exception):
    """There is no recording of this call; the message says why."""


class Recordings:
    """Of all calls of this service. `at_home` is where they lie when the settings say `local`: `file:///folder`."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        facts: Facts,
        live: "dict[UUID, Call]",
        at_home: str | None,
        *,
        every_s: float = EVERY_S,
    ) -> None:
        self._store = store
        self._clock = clock
        self._facts = facts
        self._live = live
        self._at_home = at_home
        self._every_s = every_s
        self._places: dict[str, Objects] = {}
        self._running: dict[UUID, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()

    async def begin(self, call: Call) -> None:
        """Record a call, if the settings want it; it has a `recorder` then."""
        terms = recording_of(call.bundle.settings.voice)
        place = self._place_of(terms)
        if not terms.enabled or place is None:
            return
        tenant, id_ = call.known.tenant, call.known.call
        announcement = terms.announcement(call.intent.event.language)
        pool = self._store.pool
        if not await pool.fetchval(_BEGIN, tenant, id_, call.known.contact, place, announcement, terms.retention):
            return
        await self._store.keyring.ensure(tenant, [key_of(id_)])
        if call.known.contact is not None:
            async with pool.acquire() as connection, connection.transaction():
                await self._store.keyring.bind(connection, tenant, [key_of(id_)], call.known.contact)
        objects = self._objects(place)

        async def keep(number: int, sound: bytes) -> None:
            await objects.put(tenant, key_of(id_), f"{number:06}", sound)
            await pool.execute(_PART, tenant, id_, number + 1, recorder.size + len(sound))

        recorder = call.recorder = Recorder(announcement, keep, call.now_ms)
        self._running[id_] = asyncio.create_task(self._records(tenant, id_, recorder), name="recorder")

    async def end(self, call: Call) -> None:
        """The call is over: what is left is stored; it is told, or deleted where the contact did not want it."""
        running, recorder = self._running.pop(call.known.call, None), call.recorder
        if running is None or recorder is None:
            return
        recorder.over()
        complete = True
        try:
            await running
        except Exception:
            log.exception("a recording broke", call=str(call.known.call))
            complete = False
        reason = "refused" if recorder.refusal else None if recorder.parts else "lost"
        await self._ended(call.known.tenant, call.known.call, complete and recorder.complete, reason)

    async def _records(self, tenant: str, call: UUID, recorder: Recorder) -> None:
        """Until the call is over; where the contact does not want it, what was kept goes at once, and whatever becomes of us."""
        await recorder.run()
        if recorder.refusal:
            await self._ended(tenant, call, complete=False, reason="refused")

    async def _ended(self, tenant: str, call: UUID, complete: bool, reason: str | None) -> None:
        """Nothing more is recorded; the first that says so is right. Postgres may be away, and a refusal must not get lost."""
        while True:
            try:
                await self._store.pool.execute(_END, tenant, call, complete, reason, self._clock.now())
                break
            except Exception as error:
                if not passes(error):
                    raise
                log.warning("the end of a recording waits for the database", error=type(error).__name__)
                await asyncio.sleep(AGAIN_S)
        self._wake.set()

    async def kept(self, tenant: str, call: UUID) -> Kept:
        """A recording, to be heard. Raises NotKept, and while it is read what the store of objects raises."""
        row = await self._store.pool.fetchrow(_KEPT, tenant, call)
        if row is None:
            raise NotKept("the call was not recorded")
        if row["state"] == "deleted" or row["reason"] is not None:
            raise NotKept(f"it was deleted: {row['reason'] or 'retention'}")
        return Kept(row["size"], self._sound(tenant, call, row["place"], row["parts"]))

    async def run(self) -> None:
        """Tell what was kept and delete what is due, as long as the process lives."""
        while True:
            self._wake.clear()
            with left_for_later("recordings are looked after later"):
                await self.look()
            try:
                async with asyncio.timeout(self._every_s):
                    await self._wake.wait()
            except TimeoutError:
                pass

    async def look(self) -> None:
        """Once."""
        pool, now = self._store.pool, self._clock.now()
        await pool.execute(_ORPHANS, now, ORPHANED_S, list(self._live))
        for row in await pool.fetch(_UNTOLD):
            await self._stored(row)
        for row in await pool.fetch(_DUE, now):
            try:
                await self._delete(row)
            except ObjectsAway as away:
                log.warning("a recording cannot be deleted yet", call=str(row["call"]), error=str(away))

    def wake(self) -> None:
        """Something is to be deleted."""
        self._wake.set()

    async def _stored(self, row: asyncpg.Record) -> None:
        fact = RecordingStored(
            conversation=row["conversation"],
            seconds=seconds(row["size"]),
            size=row["size"],
            announced=row["announced"],
            delete_at=row["delete_at"],
            complete=row["complete"],
        )
        await self._facts.tell(known(row["tenant"], row), "recording stored", fact)
        await self._store.pool.execute(_TOLD, row["tenant"], row["call"])
        _STATES.labels("stored").inc()

    async def _delete(self, row: asyncpg.Record) -> None:
        tenant, call = row["tenant"], row["call"]
        await self._store.pool.execute(_SHRED, tenant, call)
        await self._objects(row["place"]).forget(tenant, key_of(call))
        now = self._clock.now()
        reason: DeletionReason = row["reason"] or "retention"
        fact = RecordingDeleted(conversation=row["conversation"], at=now, reason=reason)
        await self._facts.tell(known(tenant, row), "recording deleted", fact)
        await self._store.pool.execute(_DELETED, tenant, call, now)
        _STATES.labels("deleted").inc()

    async def _sound(self, tenant: str, call: UUID, place: str, parts: int) -> AsyncIterator[bytes]:
        objects = self._objects(place)
        for number in range(parts):
            yield await objects.get(tenant, objects.name_of(tenant, key_of(call), f"{number:06}"))

    def _place_of(self, terms: Recording) -> str | None:
        if terms.storage == "s3":
            return f"s3://{terms.bucket}"
        if terms.enabled and self._at_home is None:
            log.error("calls are not recorded: nobody knows where to (CONVERSE_OBJECTS_URL or CONVERSE_DATA)")
        return self._at_home

    def _objects(self, place: str) -> Objects:
        if place not in self._places:
            self._places[place] = Objects.at(place, self._store.keyring)
        return self._places[place]


def key_of(call: UUID) -> str:
    """The data key that seals a recording; it is the contact's, and goes with them."""
    return f"recording-{call}"
