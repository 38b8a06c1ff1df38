"""Hear, decide, append: one active instance a consumer and shard, one transaction a batch, fenced by its watermark."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any, NoReturn

import asyncpg
import structlog

from events.base import Event, Recorded, UnknownFact
from libs.kit import quarantine, telemetry
from libs.kit.bus import Bus
from libs.kit.cancelling import pause
from libs.kit.clock import Clock
from libs.kit.codec import Stored
from libs.kit.crypto import KeyUnusable
from libs.kit.failures import TRANSIENT, Poison, describe
from libs.kit.folds import Fold, FoldCache, Folded, Overlay
from libs.kit.hearing import Heard, Hearing
from libs.kit.leadership import Term, leading
from libs.kit.memo import Memo
from libs.kit.progress import Progress
from libs.kit.quarantine import Sick, Target, Ward
from libs.kit.reactor_metrics import Metrics
from libs.kit.readable import Reader, Unreadable
from libs.kit.store import Fenced, Store, StreamMoved, Unavailable
from libs.kit.unit import Unit
from libs.kit.world import Decision, Handler, PrivateRows, World

log = structlog.get_logger(__name__)

BATCH = 500
TRIES = 3
CONFLICTS = 20  # another writer may win that often before the fact counts as poison
CACHE = 20_000
PAUSE_S = 0.2


class Reactor:
    """Hears the facts that it has handlers for and appends what they decide.

    Output facts, private rows and the watermark commit together. A handler is called again for the same fact after a
    crash or a conflict; nothing of the earlier call remains. It decides in microseconds and never waits for the outside.
    """

    def __init__(
        self,
        consumer: str,
        shard: int,
        handlers: Mapping[type[Event], Handler],
        *,
        store: Store,
        bus: Bus,
        clock: Clock,
        own_families: Collection[str] = frozenset(),
        source: str | None = None,
        target: Callable[[Recorded[Any]], str] = lambda fact: fact.stream,
        batch: int = BATCH,
        tries: int = TRIES,
        cache: int = CACHE,
    ) -> None:
        self.consumer = consumer
        self.shard = shard
        self.state = "starting"
        self._handlers = dict(handlers)
        self._store, self._bus, self._clock = store, bus, clock
        self._own = frozenset(own_families)
        self._source = source or consumer
        self._target = target
        self._batch, self._tries, self._cache_size = batch, tries, cache
        self._reader = Reader(store, handlers.keys())
        self._progress = Progress()
        self._ward = Ward(consumer, shard)
        self._hearing: Hearing | None = None
        self._connection: asyncpg.Connection | None = None
        self._retry = asyncio.Event()
        self._metrics = Metrics(consumer, shard)

    @property
    def position(self) -> int:
        """Every fact up to here has been handled, and what it decided is committed."""
        return self._progress.examined

    @property
    def leading(self) -> bool:
        """Whether this instance is the active one."""
        return self.state == "ok: leading"

    @property
    def live(self) -> bool:
        """Whether facts come through JetStream at this moment, not from the log itself."""
        return self._hearing is not None and self._hearing.live

    def health(self) -> dict[str, str]:
        """What it is doing, for the readiness answer."""
        return {f"{self.consumer}-{self.shard}": self.state}

    async def caught_up(self, pos: int) -> None:
        """Return when every fact up to `pos` has been handled by this instance, and what it decided is committed."""
        await self._progress.caught_up(pos)

    def newest(self, fold: Fold[Any], tenant: str, stream: str) -> Folded[Any] | None:
        """The state of a stream that it alone writes, as far as it is committed, where this instance leads and holds it."""
        return self._cache.get((tenant, stream), fold) if self.leading else None

    async def run(self) -> NoReturn:
        """Work until cancelled: stand by until the lock is free, then lead.

        Raises UnknownFact at a fact of its families that this release does not know: a newer release has to read it.
        """
        role = f"reactor {self.consumer}"
        structlog.contextvars.bind_contextvars(consumer=self.consumer, shard=self.shard)
        while True:
            try:
                async with leading(
                    self._store.url, role, self.shard, database_role=self._store.role, on_standby=self._stand_by
                ) as term:
                    await self._lead(term)
            except Fenced:
                self.state = "fenced: another instance has moved the watermark"
                log.warning("another instance has moved the watermark; stepping down")
            except (*TRANSIENT, asyncpg.InterfaceError) as error:
                self.state = f"interrupted: {error}"
                log.warning("interrupted; starts again from the watermark", error=str(error), kind=type(error).__name__)
            except UnknownFact as error:
                self.state = f"stopped: {error}"
                self._metrics.stopped.set(1)
                log.error("stops at a fact that this release does not know", type=error.tag, after=self.position)
                raise
            finally:
                self._metrics.leading.set(0)
            await pause(PAUSE_S)

    def _stand_by(self) -> None:
        self.state = "ok: standby"

    async def _lead(self, term: Term) -> None:
        self._connection = term.connection
        families, after = self._reader.families, await self._store.watermark(self.consumer, self.shard)
        await self._progress.begin(after)
        self._cache = FoldCache(self._cache_size, families - self._own, after)
        self._memo = Memo()
        await self._ward.load(self._store.pool)
        hearing = Hearing(self.consumer, self.shard, families, after=after, store=self._store, bus=self._bus)
        async with AsyncExitStack() as stack:
            self._hearing = await stack.enter_async_context(hearing)

            def asked(consumer: str | None) -> None:
                if consumer in (None, self.consumer):
                    self._retry.set()
                    hearing.wake()

            # Not on the lead's own connection: Postgres wakes everyone who listens, whatever to, for each notice.
            stack.callback(self._store.listener.on(quarantine.CHANNEL, asked))
            term.connection.add_termination_listener(lambda *_: hearing.wake())
            self._retry.set()
            self.state = "ok: leading"
            self._metrics.leading.set(1)
            self._metrics.stopped.set(0)
            log.info("leads", watermark=after)
            while not term.over:
                if self._retry.is_set():
                    self._retry.clear()
                    await self._replay()
                await self._take(await hearing.next(self._batch))
                self._metrics.lag.set(max(0, hearing.head - self.position))
        raise Unavailable(f"the connection that holds the lead of {self.consumer} was lost")

    def _transaction(self, *, lazily: bool = False) -> AbstractAsyncContextManager[Unit]:
        """On the connection that holds the lead: who has lost the lead cannot commit."""
        return self._store.transaction(self.shard, connection=self._connection, lazily=lazily)

    async def _take(self, heard: Heard) -> None:
        """Handle what was heard; a fact of an unknown type ends it after what stands before."""
        self._cache.hear(heard.facts)
        wanted, unknown = self._reader.sort(heard.facts)
        upto = heard.upto if unknown is None else unknown.pos - 1
        try:
            facts = await self._reader.read(wanted)
        except Unreadable:
            facts = await self._single_out(wanted)
        if facts:
            await self._work(facts, upto)
        else:
            await self._idle(upto)
        if unknown is not None:
            raise UnknownFact(unknown.type)

    async def _single_out(self, stored: Sequence[Stored]) -> list[Recorded[Any]]:
        """Put the facts that cannot be read into quarantine, in their place; what stands after the last of them is left to do."""
        facts: list[Recorded[Any]] = []
        for one in stored:
            try:
                facts += await self._reader.read([one])
            except Unreadable as error:
                if facts:
                    await self._work(facts, one.pos - 1)
                    facts = []
                # Whom it was for cannot be read either: its stream stands for it.
                target, sick = (one.tenant, one.stream), Sick(one.pos, one.event_id, one.type)
                await self._set_aside(target, sick, error.error, attempts=1, upto=one.pos)
        return facts

    async def _idle(self, upto: int) -> None:
        """Follow the head without facts of ours."""
        if self._progress.is_due(upto):
            async with self._transaction(lazily=True) as unit:
                await unit.commit(self.consumer, self._progress.watermark, upto)
            self._progress.written(upto)
        await self._advance(upto)

    async def _advance(self, upto: int) -> None:
        if await self._progress.advance(upto):
            self._metrics.position.set(upto)

    async def _work(self, facts: Sequence[Recorded[Any]], upto: int) -> None:
        """Commit the facts in batches as large as possible: a conflict halves them, a failure is singled out."""
        todo, size, tries, conflicts = list(facts), len(facts), 0, 0
        while todo:
            part = todo[:size]
            end = upto if len(part) == len(todo) else part[-1].pos
            try:
                await self._commit(part, end)
            except StreamMoved as error:
                conflicts += 1
                size = max(1, len(part) // 2)
                if len(part) > 1 or conflicts < CONFLICTS:
                    continue
                await self._quarantine(part[0], error, conflicts, end)
            except Poison as poison:
                tries = tries + 1 if len(part) == 1 else 0
                size = max(1, min(poison.at, len(part) - 1))
                if tries < self._tries:
                    log.warning(
                        "a batch failed", error=describe(poison.error), facts=len(part), pos=part[poison.at].pos
                    )
                    continue
                await self._quarantine(part[0], poison.error, tries, end)
            todo = todo[len(part) :]
            size, tries, conflicts = len(todo), 0, 0

    async def _commit(self, facts: Sequence[Recorded[Any]], upto: int) -> None:
        with self._metrics.batch_seconds.time():
            async with self._transaction(lazily=True) as unit:
                overlay = await self._decide(unit, facts, upto)
            if unit.committed:
                self._progress.written(upto)
        overlay.keep()
        await self._advance(upto)
        self._metrics.committed(len(facts), self._clock.machine() - facts[-1].envelope.recorded_at)

    async def _decide(self, unit: Unit, facts: Sequence[Recorded[Any]], upto: int, *, parked: bool = True) -> Overlay:
        """Run the handlers and commit what they decided together with the watermark `upto`.

        Where they decided nothing the row is written now and then: after a crash they would decide nothing again.
        """
        overlay = Overlay(self._cache, unit, self._own)
        rows = PrivateRows(unit, self._memo)
        waiting: list[tuple[Target, int]] = []
        at, handled = 0, False
        try:
            for at, fact in enumerate(facts):  # noqa: B007 - names the culprit below
                target = self._target_of(fact)
                if parked and self._ward.holds(target):
                    waiting.append((target, fact.pos))
                    continue
                structlog.contextvars.bind_contextvars(event=str(fact.id), pos=fact.pos, target=target[1])
                now = self._clock.now()
                decision, traceparent = await self._call(fact, World(fact, now, rows, overlay))
                if decision is not None:
                    rows.add(decision.rows)
                    if decision.drafts:
                        cause = decision.cause(fact, now, self._source, traceparent)
                        overlay.add(fact.tenant, decision.drafts, cause, decision.reached, decision.own)
            at, handled = len(facts) // 2, True  # what fails from here on may be anyone's
            if waiting:
                await unit.begin()
                await self._ward.park(unit.connection, waiting)
            appends, written = overlay.appends(self.consumer), rows.take()
            if appends or written or unit.begun or self._progress.is_due(upto):
                await unit.commit(self.consumer, self._progress.watermark, upto, appends, written, overlay.own)
            rows.keep()
        except StreamMoved:
            overlay.forget()
            raise
        except (*TRANSIENT, Fenced, KeyUnusable):
            raise
        except UnknownFact as error:
            if handled:
                raise Poison(at, error) from error
            raise  # a stream that a handler folds holds what only a newer release can read
        except asyncpg.InterfaceError as error:
            # asyncpg's word both for a wrong argument and for a connection that is gone.
            if unit.lost:
                raise Unavailable(str(error)) from error
            raise Poison(at, error) from error
        except Exception as error:
            raise Poison(at, error) from error
        finally:
            structlog.contextvars.unbind_contextvars("event", "pos", "target")
        return overlay

    async def _call(self, fact: Recorded[Any], world: World) -> tuple[Decision | None, str | None]:
        handler = self._handlers[type(fact.event)]
        parent = fact.envelope.traceparent
        if parent is None:
            return await handler(fact, world), None
        with telemetry.span(f"{self.consumer} {fact.envelope.type}", parent):
            return await handler(fact, world), telemetry.traceparent() or parent

    async def _quarantine(self, fact: Recorded[Any], error: Exception, attempts: int, upto: int) -> None:
        """Give the fact up for now; later facts for its target wait behind it."""
        try:
            target = self._target_of(fact)
        except Exception as untold:
            log.error("the target of a fact cannot be told; its stream stands for it", error=describe(untold))
            target = fact.tenant, fact.stream
        await self._set_aside(target, Sick.of(fact), error, attempts=attempts, upto=upto)

    async def _set_aside(self, target: Target, sick: Sick, error: Exception, *, attempts: int, upto: int) -> None:
        async with self._transaction() as unit:
            if self._ward.holds(target):
                await self._ward.park(unit.connection, [(target, sick.pos)])
            else:
                await self._ward.admit(unit.connection, target, sick, error=describe(error), attempts=attempts)
            await unit.commit(self.consumer, self._progress.watermark, upto)
        self._ward.close(target)
        self._progress.written(upto)
        await self._advance(upto)
        log.error(
            "a fact is in quarantine",
            pos=sick.pos,
            target=target[1],
            error=describe(error),
            **{"pii.error": str(error)},
        )

    def _target_of(self, fact: Recorded[Any]) -> Target:
        return fact.tenant, self._target(fact).replace("\0", "")  # Postgres takes no NUL in a text

    async def _replay(self) -> None:
        """Try again what a person asked for, then what was parked behind it, in order."""
        for entry, target, pos in await self._ward.to_retry(self._store.pool):
            if (error := await self._again(pos, entry=entry)) is not None:
                async with self._transaction() as unit:
                    await self._ward.failed_again(unit.connection, entry, describe(error))
                    await unit.commit(self.consumer, *self._progress.standing)
                log.error("a retry failed", quarantine=entry, pos=pos, error=describe(error))
                continue
            await self._drain(target)
        for target in await self._ward.stranded(self._store.pool):
            await self._drain(target)

    async def _drain(self, target: Target) -> None:
        while (pos := await self._ward.next_parked(self._store.pool, target)) is not None:
            if (error := await self._again(pos)) is None:
                continue
            [row] = await self._store.read_sealed(self.shard, pos - 1, 1)
            sick = Sick(pos, row.event_id, row.type)
            async with self._transaction() as unit:
                await self._ward.unpark(unit.connection, pos)
                await self._ward.admit(unit.connection, target, sick, error=describe(error), attempts=1)
                await unit.commit(self.consumer, *self._progress.standing)
            log.error("a parked fact is in quarantine", pos=pos, target=target[1], error=describe(error))
            return
        self._ward.release(target)

    async def _again(self, pos: int, *, entry: int | None = None) -> Exception | None:
        """Handle one fact of the past; the watermark stays. Returns what went wrong."""
        try:
            facts = await self._reader.at(self.shard, pos)
        except Unreadable as error:
            return error.error
        except UnknownFact as error:
            return error
        for _ in range(CONFLICTS):
            try:
                async with self._transaction() as unit:
                    if entry is None:
                        await self._ward.unpark(unit.connection, pos)
                    else:
                        await self._ward.resolve(unit.connection, entry)
                    overlay = await self._decide(unit, facts, self._progress.watermark, parked=False)
            except StreamMoved:
                continue
            except UnknownFact as error:
                return error
            except Poison as poison:
                return poison.error
            overlay.keep()
            return None
        return RuntimeError(f"other writers moved the streams {CONFLICTS} times in a row")
