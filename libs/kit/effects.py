"""The outside world, exactly once where the provider allows it and never silently twice: claim, commit, call, tell.

The acting service opens a row beside its watermark (effect_rows.open_row). Workers on every replica claim rows, **commit
the claim, then call, then append the outcome and close the row in one transaction**. A claim whose lease has run out is of
unknown outcome: repeated where the kind allows it, otherwise told as a fact and left to the evidence that may come.
"""

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import structlog

from events.base import Cause, Draft, Event, Recorded
from libs.kit import buckets, ids, telemetry
from libs.kit.cancelling import pause
from libs.kit.clock import Clock
from libs.kit.codec import Row
from libs.kit.doubtful import Doubtful
from libs.kit.effect_kinds import Claim, ClaimExpired, Done, Kind, Outcome, Refused, Retry, Unknown, Withheld
from libs.kit.effect_sql import Ledger, channel, statement
from libs.kit.failures import describe, passes
from libs.kit.hands import Hands, Taking
from libs.kit.settling import Ending, Settling
from libs.kit.store import ANY, Append, Store

log = structlog.get_logger(__name__)

POLL_S = 0.5
CENSUS_S = 5.0
PRUNE_S = 3600.0
KEPT_DAYS = 30
SWEPT_AT_ONCE = 100
SETTLE_FOR = timedelta(seconds=30)
SICK_S = 60.0  # until an effect whose intent cannot be read is looked at again

INTENT = -13  # the columns of a claim from here on tell of its intent
TOO_LATE = "its time was over before it could be done"

_CHANCE = random.SystemRandom().random

_OUTCOMES = telemetry.counter("effects", "Effects by how a claim on them ended.", "ledger", "kind", "outcome")
_CALL_SECONDS = telemetry.histogram(
    "effect_call_seconds", "Seconds that performing an effect took.", "ledger", "kind", buckets=telemetry.SLOW_BUCKETS
)
_WAIT_SECONDS = telemetry.histogram(
    "effect_wait_seconds", "Seconds from opening to the first claim.", "ledger", "kind", buckets=telemetry.SLOW_BUCKETS
)
_ROWS = telemetry.gauge("effect_rows", "Effects that are not closed.", "ledger", "kind", "state")


class EffectLedger:
    """The worker of one service's ledger in this process; any number of them may run, here and on other replicas.

    `slots` bounds how many effects this worker performs at once, `room` how many more it may begin now (a worker whose lines
    are all taken claims nothing: a sibling may have some left). `source` is the service that tells the outcomes.
    """

    def __init__(
        self,
        ledger: Ledger,
        kinds: Mapping[str, Kind],
        *,
        store: Store,
        clock: Clock,
        source: str,
        slots: int = 32,
        room: Callable[[], int] | None = None,
        chance: Callable[[], float] = _CHANCE,
    ) -> None:
        self.ledger = ledger
        self._kinds = dict(kinds)
        self._leases = {name: kind.lease.total_seconds() for name, kind in kinds.items()}
        self._store = store
        self._clock = clock
        self._source = source
        self._chance = chance
        self._settling = Settling(store, ledger)
        self._doubtful = Doubtful(store.pool, self._sql("effect_give_back"))
        self._wake = asyncio.Event()
        self._hands = Hands(slots, room, self._wake.set)
        self._sweep_now = True
        self._sick: dict[UUID, float] = {}
        self._notices = 0
        self._next_census = self._next_prune = 0.0

    async def run(self) -> None:
        """Work until cancelled; then finish what is claimed, and end."""
        next_sweep = 0.0
        undo = self._store.listener.on(channel(self.ledger), self._notified)
        undo_offers = self._store.wakes.on(channel(self.ledger), self._offered, self._taking)
        try:
            while True:
                self._wake.clear()
                try:
                    if self._sweep_now or time.monotonic() >= next_sweep:
                        self._sweep_now = False
                        await self.sweep()
                        next_sweep = time.monotonic() + POLL_S
                    await self.claim_and_start()
                    await self._pause(next_sweep)
                except Exception as error:
                    if not passes(error):
                        raise
                    log.warning("the ledger cannot be reached", ledger=self.ledger, error=type(error).__name__)
                    await pause(POLL_S)
        finally:
            undo()
            undo_offers()
            await self.idle()
            await self._doubtful.settled()

    async def claim_and_start(self) -> int:
        """Claim what may be done now, as far as slots are free, and begin it. The number of claims."""
        began = time.monotonic()
        limit = self._hands.free
        records = await self._claim(limit)
        self._begin(records, began)
        if len(records) >= limit:
            self._hands.want()
        return len(records)

    async def idle(self) -> None:
        """Return when nothing that this worker has claimed is running."""
        await self._hands.idle()

    async def sweep(self) -> None:
        """Withhold what a gate or kill switch forbids, and look after claims and unknown outcomes whose time is up."""
        await self._doubtful.give_back()
        await self._each("effect_withheld", self._withhold)
        await self._each("effect_expired", self._expire)
        await self._each("effect_overdue", self._give_up)
        if time.monotonic() >= self._next_census:
            self._next_census = time.monotonic() + CENSUS_S
            await self._count_rows()
        if time.monotonic() >= self._next_prune:
            self._next_prune = time.monotonic() + PRUNE_S
            await self._store.pool.execute(self._sql("effect_prune"), KEPT_DAYS)

    def _sql(self, name: str) -> str:
        return statement(name, self.ledger)

    def _notified(self, payload: str | None) -> None:
        if payload != "":
            self._sweep_now = True
        self._notices += 1
        self._wake.set()

    def _offered(self, kind: str) -> bool:
        if kind not in self._kinds:
            return False
        if self._hands.free <= 0:
            self._hands.want()
            return False
        self._notices += 1
        self._wake.set()
        return True

    async def _pause(self, until: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(max(0.01, until - time.monotonic())):
                await self._wake.wait()

    # claiming

    async def _claim(self, limit: int) -> list[asyncpg.Record]:
        if limit <= 0:
            return []
        token, kinds, leases = ids.fresh(), list(self._leases), list(self._leases.values())
        try:
            records: list[asyncpg.Record] = await self._store.writers.fetch(
                self._sql("effect_claim"), token, limit, kinds, leases, buckets.TROUBLE
            )
        except asyncpg.LockNotAvailableError:
            return []
        except BaseException:
            self._doubt(token)
            raise
        return records

    def _doubt(self, token: UUID) -> None:
        self._doubtful.add(token)
        self._notified(None)

    def _taking(self, kinds: Collection[str], number: int) -> Taking | None:
        """A claim on effects that are about to be opened, as far as this worker performs their kinds and has slots free."""
        most = min(number, self._hands.free)
        if most <= 0 or self._kinds.keys().isdisjoint(kinds):
            return None
        token, began, release = ids.fresh(), time.monotonic(), self._hands.keep(most)

        def begin(records: Sequence[asyncpg.Record]) -> None:
            self._begin(records, began)
            release()

        def lose() -> None:
            self._doubt(token)
            release()

        return Taking(token, most, self._leases, begin, lose)

    def _begin(self, records: Sequence[asyncpg.Record], began: float) -> None:
        for record in records:
            claim = Claim.of(record, began, self._leases[record["kind"]])
            if claim.attempt == 1:
                waited = (self._clock.machine() - claim.opened_at).total_seconds()
                _WAIT_SECONDS.labels(self.ledger, claim.kind).observe(max(0.0, waited))
            self._hands.start(self._work(claim, record), f"{claim.kind} {claim.id}", self._untold)

    def _untold(self, error: BaseException) -> None:
        log.error("the outcome of an effect could not be told; its claim will expire", exc_info=error)

    # performing

    async def _work(self, claim: Claim, record: asyncpg.Record) -> None:
        with structlog.contextvars.bound_contextvars(effect=str(claim.id), kind=claim.kind, tenant=claim.tenant):
            kind = self._kinds[claim.kind]
            outcome = await self._perform(claim, kind, record)
            await self._settle_surely(claim, kind, outcome)

    async def _perform(self, claim: Claim, kind: Kind, record: asyncpg.Record) -> Outcome:
        began = time.monotonic()
        try:
            [claim.intent] = await self._store.unseal([Row(*record[INTENT:])])
            if self._clock.machine() - claim.opened_at > kind.max_age:
                return Retry(TOO_LATE, timedelta(0), trouble=False)
            with telemetry.span(claim.kind, claim.intent.envelope.traceparent, effect=str(claim.id)):
                async with asyncio.timeout(kind.timeout.total_seconds()):
                    return await kind.perform(claim)
        except ClaimExpired:
            log.warning("the lease was too old for the first byte")
            return Retry("the lease was too old for the first byte", timedelta(0), trouble=False)
        except Exception as error:
            if isinstance(error, TimeoutError):
                log.warning("performing took too long", began=claim.begun)
            else:
                log.exception("performing failed", began=claim.begun)
            reason = f"{type(error).__name__} while performing"
            return Unknown(reason) if claim.begun else Retry(reason)
        finally:
            _CALL_SECONDS.labels(self.ledger, claim.kind).observe(time.monotonic() - began)

    async def _intent(self, claim: Claim) -> Recorded[Event]:
        facts = await self._store.read_stream(
            claim.tenant, claim.stream, after_version=claim.version - 1, upto_pos=claim.pos
        )
        return facts[0]

    # telling

    async def _settle_surely(self, claim: Claim, kind: Kind, outcome: Outcome) -> None:
        deadline = time.monotonic() + SETTLE_FOR.total_seconds()
        pause = 0.05
        while True:
            try:
                await self._settle(claim, kind, outcome)
                return
            except Exception as error:  # whatever it is: the row says whether it was written, so trying again is safe
                if time.monotonic() > deadline:
                    raise
                log.warning("the outcome could not be written yet", after_s=pause, error=type(error).__name__)
            await asyncio.sleep(pause)
            pause = min(pause * 2, 2.0)

    async def _settle(self, claim: Claim, kind: Kind, outcome: Outcome) -> None:
        match outcome:
            case Done(drafts):
                await self._close(claim, "done", drafts, answered=True)
            case Refused(drafts):
                await self._close(claim, "refused", drafts, answered=True)
            case Withheld(reason):
                await self._close(claim, "withheld", kind.withheld(claim.intent, reason))
            case Retry(reason, after):
                await self._again(claim, kind, reason, after)
            case Unknown(reason) if kind.after_unknown == "repeat":
                await self._again(claim, kind, reason, None)
            case Unknown(reason):
                await self._wait(claim, kind, reason, expired=False)
        if isinstance(outcome, Unknown) or (isinstance(outcome, Retry) and outcome.trouble):
            await buckets.trouble(self._store.pool, self.ledger, claim.tenant, claim.account)

    async def _close(self, claim: Claim, label: str, drafts: Sequence[Draft], *, answered: bool = False) -> None:
        before = self._notices
        more = await self._settling.settle(Ending(claim, label, self._appends(claim, label, drafts), answered))
        if more is None:
            log.warning("the claim was no longer ours: its outcome is not told", outcome=label)
            return
        _OUTCOMES.labels(self.ledger, claim.kind, label).inc()
        if more or self._notices != before:
            # What was opened meanwhile may have been looked for while this one still stood before it.
            self._wake.set()

    async def _again(self, claim: Claim, kind: Kind, reason: str, after: timedelta | None) -> None:
        unbegun = not claim.begun and reason.startswith("the lease")
        pause = after if after is not None else kind.pause(claim.attempt, self._chance())
        spent = not unbegun and claim.attempt >= kind.attempts
        if spent or self._clock.machine() + pause - claim.opened_at > kind.max_age:
            await self._close(claim, "dead", kind.dead(claim.intent, reason))
            return
        log.info("to be tried again", reason=reason, after_s=pause.total_seconds(), attempt=claim.attempt)
        await self._store.pool.execute(
            self._sql("effect_again"), claim.id, claim.token, pause.total_seconds(), int(unbegun)
        )
        self._wake.set()
        _OUTCOMES.labels(self.ledger, claim.kind, "retry").inc()

    async def _wait(self, claim: Claim, kind: Kind, reason: str, *, expired: bool) -> None:
        log.warning("nobody knows whether it was done", reason=reason)
        await self._tell(
            claim,
            "unknown",
            kind.unknown(claim.intent, reason),
            "effect_unknown",
            claim.id,
            claim.token,
            kind.wait.total_seconds(),
            expired,
        )
        self._wake.set()

    async def _tell(
        self, claim: Claim, label: str, drafts: Sequence[Draft], name: str, *args: Any
    ) -> asyncpg.Record | None:
        """Change the row and append the facts in one statement; nothing at all if the row is not as it must be."""
        shard = await self._store.shard_of(claim.tenant)
        told = await self._store.append_where(shard, self._sql(name), args, self._appends(claim, label, drafts))
        if told is not None:
            _OUTCOMES.labels(self.ledger, claim.kind, label).inc()
        return told

    def _appends(self, claim: Claim, label: str, drafts: Sequence[Draft]) -> list[Append]:
        envelope = claim.intent.envelope
        cause = Cause(
            id=envelope.id,
            correlation_id=envelope.correlation_id,
            occurred_at=self._clock.now(),
            source=self._source,
            config=envelope.config,
            traceparent=telemetry.traceparent() or envelope.traceparent,
        )
        streams: dict[str, list[Draft]] = defaultdict(list)
        for draft in drafts:
            streams[draft.stream].append(draft)
        consumer = f"{self.ledger}.{label}.{claim.attempt}"
        return [Append(claim.tenant, stream, ANY, its, cause, consumer) for stream, its in streams.items()]

    # sweeping

    async def _each(self, name: str, treat: Callable[[Claim, asyncpg.Record], Awaitable[None]]) -> None:
        """Treat all that a statement lists; one that cannot be read or told must not hold up the others."""
        now = time.monotonic()
        self._sick = {id: until for id, until in self._sick.items() if until > now}
        kinds, sick = list(self._kinds), list(self._sick)
        for record in await self._store.pool.fetch(self._sql(name), SWEPT_AT_ONCE, kinds, sick):
            try:
                await treat(Claim.of(record), record)
            except Exception as error:
                if passes(error):
                    raise
                self._sick[record["id"]] = now + SICK_S
                log.error("an effect cannot be told", effect=str(record["id"]), error=describe(error))

    async def _withhold(self, claim: Claim, record: asyncpg.Record) -> None:
        reason = str(record["reason"])
        claim.intent = await self._intent(claim)
        drafts = self._kinds[claim.kind].withheld(claim.intent, reason)
        if await self._tell(claim, "withheld", drafts, "effect_withhold", claim.id) is not None:
            log.info("withheld", effect=str(claim.id), reason=reason)

    async def _expire(self, claim: Claim, _: asyncpg.Record) -> None:
        kind = self._kinds[claim.kind]
        claim.intent = await self._intent(claim)
        if kind.after_unknown == "wait":
            await self._wait(claim, kind, "the worker's lease ran out", expired=True)
        elif claim.attempt >= kind.attempts:
            await self._close(claim, "dead", kind.dead(claim.intent, "the worker's lease ran out"))
        else:
            pause = kind.pause(claim.attempt, self._chance()).total_seconds()
            await self._store.pool.execute(self._sql("effect_repeat"), claim.id, claim.token, pause)

    async def _give_up(self, claim: Claim, _: asyncpg.Record) -> None:
        claim.intent = await self._intent(claim)
        drafts = self._kinds[claim.kind].unresolved(claim.intent, "no evidence came in time")
        if await self._tell(claim, "unresolved", drafts, "effect_give_up", claim.id) is not None:
            log.warning("no evidence came in time: it counts as done", effect=str(claim.id))

    async def _count_rows(self) -> None:
        counts = {(kind, state): 0 for kind in self._kinds for state in ("open", "claimed", "unknown")}
        for record in await self._store.pool.fetch(self._sql("effect_census")):
            if record["kind"] in self._kinds:
                counts[record["kind"], record["state"]] = record["effects"]
        for (kind, state), number in counts.items():
            _ROWS.labels(self.ledger, kind, state).set(number)
