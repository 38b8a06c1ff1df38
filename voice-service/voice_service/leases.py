"""This process among its siblings: which calls it may take, which it awaits and holds, and its heartbeat."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import parse_qs
from uuid import UUID

import msgspec
import structlog
from litestar.types import Scope

from libs.kit import ids, telemetry
from libs.kit.failures import passes
from libs.kit.store import Store
from voice_service.decide import Used

log = structlog.get_logger(__name__)

VOICE = "voice"
"""The channel's name, also in the index of addresses."""
MEDIA = "/api/v1/voice/media/"
BEAT = timedelta(seconds=3)
LEASE = timedelta(seconds=15)
"""Without a beat for so long, a worker is dead for its siblings; for itself after two thirds of it."""

_BEGIN = "INSERT INTO voice.worker (id, name, origin, lines) VALUES ($1, $2, $3, $4)"
_BEAT = """UPDATE voice.worker SET seen_at = now(), calls = $2, draining = $3
WHERE id = $1 AND seen_at > now() - $4::interval RETURNING true"""
_USED = """UPDATE voice.call c SET used = u.used FROM unnest($2::text[], $3::uuid[], $4::jsonb[]) AS u (tenant, call, used)
WHERE c.tenant = u.tenant AND c.call = u.call AND c.held_by = $1"""
_END = "DELETE FROM voice.worker WHERE id = $1"
_ONE_BY_ONE = "SELECT pg_advisory_xact_lock(hashtextextended($1 || '/' || $2, 0))"
_RESERVES = """UPDATE voice.call SET digest = $3 WHERE tenant = $1 AND call = $2 AND NOT EXISTS (
SELECT FROM voice.call other WHERE other.tenant = $1 AND other.digest = $3 AND other.call <> $2
AND other.state <> 'over' AND other.asked_at > now() - interval '1 hour') RETURNING true"""
_AWAITS = "UPDATE voice.call SET dialled_by = $3 WHERE tenant = $1 AND call = $2"
_CALLS_US = """SELECT EXISTS (SELECT FROM voice.incoming
WHERE tenant = $1 AND digest = $2 AND NOT over AND came_at > now() - interval '1 hour')"""
_TALKS = """SELECT EXISTS (SELECT FROM voice.call c JOIN voice.worker w ON w.id = c.held_by AND w.seen_at > now() - $4::interval
WHERE c.tenant = $1 AND c.contact = $2 AND c.call <> $3 AND c.state <> 'over')"""
_SIBLING = """SELECT name, origin FROM voice.worker
WHERE id <> $1 AND seen_at > now() - $2::interval AND NOT draining AND calls < lines ORDER BY lines - calls DESC, id LIMIT 1"""
_GIVES_AWAY = "UPDATE voice.call SET elsewhere = true WHERE tenant = $1 AND call = $2"
_HOLDS = """UPDATE voice.call SET held_by = $3, held_at = now()
WHERE tenant = $1 AND call = $2 AND state <> 'over' AND held_by IS NULL AND NOT elsewhere RETURNING true"""
_NOT_COMING = """SELECT mine.call FROM unnest($1::text[], $2::uuid[]) AS mine (tenant, call)
LEFT JOIN voice.call c USING (tenant, call) LEFT JOIN voice.incoming i USING (tenant, call)
WHERE c.state = 'over' OR c.held_by IS NOT NULL OR i.over"""


_LINES = telemetry.gauge("voice_lines", "Calls that this process holds or awaits.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A call that is talked on here: what it has come to, and how to end it when it is no longer ours."""

    tenant: str
    used: Callable[[], Used]
    hang_up: Callable[[], Awaitable[None]]


class Worker:
    """A process that holds calls.

    A call is *awaited* here from its dialling until its media come or it is over, and *held* from then on. Both take one of
    the `lines`. `given_up` hears of awaited calls that will not come. `name` is in the media URL of what is dialled here, so that the telephony's stream comes to this process.
    """

    def __init__(
        self,
        store: Store,
        *,
        name: str | None,
        origin: str | None = None,
        lines: int,
        given_up: Callable[[UUID], None] = lambda call: None,
        beat: timedelta = BEAT,
        lease: timedelta = LEASE,
    ) -> None:
        self.id = ids.fresh()
        self.name = name or self.id.hex[-12:]
        self.origin = origin
        self.lease = lease
        self.draining = False
        self._store = store
        self._lines = lines
        self._given_up = given_up
        self._beat = beat
        self._awaited: dict[UUID, str] = {}
        self._held: dict[UUID, Held] = {}
        self._steady_since: float | None = None

    @property
    def taken(self) -> int:
        """How many lines are."""
        return len(self._awaited) + len(self._held)

    def room(self) -> int:
        """How many more calls may be dialled here; none while draining, nor before the first beat."""
        if self.draining or self._steady_since is None:
            return 0
        return max(0, self._lines - self.taken)

    def steady(self) -> bool:
        """Whether beats have come through for longer than a lease: before, silence of the others may be the database's."""
        return self._steady_since is not None and time.monotonic() - self._steady_since > self.lease.total_seconds()

    async def reserves(self, tenant: str, call: UUID, number: str) -> bool:
        """Whether a call is the only one with `number`, which it is then until it is over, whoever else is registered there.

        Two processes that ask at once do so one after the other.
        """
        digest = (await self._store.keyring.lookup(tenant, VOICE, number)).hex()
        async with self._store.pool.acquire() as connection, connection.transaction():
            await connection.execute(_ONE_BY_ONE, tenant, digest)
            return bool(await connection.fetchval(_RESERVES, tenant, call, digest))

    async def awaits(self, tenant: str, call: UUID) -> None:
        """Keep a line free for a call that is about to be dialled."""
        self.keeps(tenant, call)
        await self._store.pool.execute(_AWAITS, tenant, call, self.id)

    async def gives_away(self, tenant: str, call: UUID) -> None:
        """Another runtime takes the media of a call that is about to be dialled: it needs no line."""
        await self._store.pool.execute(_GIVES_AWAY, tenant, call)

    def keeps(self, tenant: str, call: UUID) -> None:
        """Keep a line for somebody who calls us, from the moment on in which their media are led here."""
        if call not in self._held:
            self._awaited[call] = tenant
            _LINES.set(self.taken)

    async def sibling(self) -> tuple[str, str | None] | None:
        """Name and origin of another process that has a line; None where each has as many calls as it takes."""
        row = await self._store.pool.fetchrow(_SIBLING, self.id, self.lease)
        return (row["name"], row["origin"]) if row else None

    async def is_calling(self, tenant: str, number: str) -> bool:
        """Whether somebody calls us from `number` at this moment."""
        digest = (await self._store.keyring.lookup(tenant, VOICE, number)).hex()
        return bool(await self._store.pool.fetchval(_CALLS_US, tenant, digest))

    async def talks_with(self, tenant: str, contact: str | None, but: UUID) -> bool:
        """Whether somebody of ours is on the phone with a contact in another call than this one."""
        return contact is not None and bool(await self._store.pool.fetchval(_TALKS, tenant, contact, but, self.lease))

    def frees(self, call: UUID) -> None:
        """The line is free again."""
        self._awaited.pop(call, None)
        self._held.pop(call, None)
        _LINES.set(self.taken)

    def leaves(self, call: UUID) -> None:
        """An awaited call is over, or never was, before its media came."""
        if call in self._awaited:
            self.frees(call)
            self._given_up(call)

    def has_line_for(self, call: UUID) -> bool:
        """Whether the media of this call can be taken here."""
        return call in self._awaited or self.room() > 0

    async def holds(self, call: UUID, held: Held) -> bool:
        """Take a call that nobody holds or held; False where somebody does, or it is over."""
        if call in self._held:
            return False
        self._held[call] = held
        taken = False
        try:
            taken = bool(await self._store.pool.fetchval(_HOLDS, held.tenant, call, self.id))
        finally:
            if taken:
                self._awaited.pop(call, None)
            else:
                self._held.pop(call, None)
            _LINES.set(self.taken)
        return taken

    def busy(self) -> bool:
        """Whether anything keeps a draining process alive."""
        return self.taken > 0

    def expects(self, scope: Scope) -> bool:
        """Whether a WebSocket is the media of a call that was dialled here, which may still come while we drain."""
        if not str(scope["path"]).startswith(MEDIA):
            return False
        [call, *_] = parse_qs(bytes(scope["query_string"]).decode("latin-1")).get("call", [""])
        try:
            return UUID(call) in self._awaited
        except ValueError:
            return False

    async def run(self) -> None:
        """Beat as long as the process lives. After a pause that made us dead for our siblings, begin anew without calls."""
        pool = self._store.pool
        await pool.execute(_BEGIN, self.id, self.name, self.origin, self._lines)
        while True:
            try:
                if not await self._beats():
                    log.error("we were silent for too long: our calls are no longer ours", calls=len(self._held))
                    self._steady_since = None
                    await asyncio.gather(*(held.hang_up() for held in list(self._held.values())))
                    self._awaited.clear()
                    self.id = ids.fresh()
                    await pool.execute(_BEGIN, self.id, self.name, self.origin, self._lines)
            except Exception as error:
                if not passes(error):
                    raise
                self._steady_since = None
                log.warning("a heartbeat did not come through", error=type(error).__name__)
            await asyncio.sleep(self._beat.total_seconds())

    async def end(self) -> None:
        """Say that this process is gone, having no calls any more."""
        await self._store.pool.execute(_END, self.id)

    async def _beats(self) -> bool:
        pool = self._store.pool
        if not await pool.fetchval(_BEAT, self.id, self.taken, self.draining, self.lease * 2 / 3):
            return False
        if self._steady_since is None:
            self._steady_since = time.monotonic()
        if held := dict(self._held):
            texts = [msgspec.json.encode(each.used()).decode() for each in held.values()]
            await pool.execute(_USED, self.id, [each.tenant for each in held.values()], list(held), texts)
        if awaited := dict(self._awaited):
            for row in await pool.fetch(_NOT_COMING, list(awaited.values()), list(awaited)):
                self.leaves(row["call"])
        return True
