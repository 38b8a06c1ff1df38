"""What was measured in the calls of a process, and of its siblings: how long contacts wait, what a minute costs."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec
import structlog

from libs.domain.latency import Budget, Counts, Latency, hints, merged
from libs.kit import telemetry
from libs.kit.failures import left_for_later
from libs.kit.store import Store

log = structlog.get_logger(__name__)

GENERATION_S = 600.0
"""What is shown is of this one and the one before: of the last ten to twenty minutes."""
EVERY_S = 3.0
STALE_S = 15.0
BUCKETS = (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0, 1.5, 2.0, 3.0, 5.0)
RUPEES = (1.0, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 6.0, 8.0, 12.0, 20.0)
PAISE = "paise_per_minute"

_WAITED = telemetry.histogram("voice_wait_seconds", "How long contacts wait for an answer.", "stage", buckets=BUCKETS)
_MINUTE = telemetry.histogram("voice_minute_rupees", "What a connected minute of a call came to.", buckets=RUPEES)
_DEAR = telemetry.counter("voice_dear_calls", "Calls that were dearer a minute than the alarm allows.")

_TELL = """INSERT INTO voice.measured (worker, tenant, told) VALUES ($1, $2, $3::jsonb)
ON CONFLICT (worker, tenant) DO UPDATE SET told = excluded.told, at = now()"""
_FORGET = "DELETE FROM voice.measured WHERE at < now() - interval '1 hour'"
_OTHERS = """SELECT told FROM voice.measured
WHERE tenant = $1 AND worker <> $2 AND at > now() - make_interval(secs => $3)"""


class Told(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a process tells its siblings of a tenant: its calls as they are shown, and buckets by stage."""

    calls: list[dict[str, Any]] = []
    waits: dict[str, dict[int, int]] = {}
    paise: dict[int, int] = {}
    degraded: bool = False


class _Recent:
    """The newest measurements: forgotten by generations."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._now, self._before = Latency(), Latency()

    def add(self, measured: Mapping[str, int]) -> None:
        self._turn()
        self._now.add(measured)

    def counts(self) -> dict[str, dict[int, int]]:
        self._turn()
        return merged([self._before.counts(), self._now.counts()]).counts()

    def _turn(self) -> None:
        age = time.monotonic() - self._began
        if age > GENERATION_S:
            self._before = self._now if age < 2 * GENERATION_S else Latency()
            self._now, self._began = Latency(), time.monotonic()


class Measures:
    """Of this process, by tenant."""

    def __init__(self) -> None:
        self._waits: dict[str, _Recent] = {}
        self._costs: dict[str, _Recent] = {}

    @property
    def tenants(self) -> set[str]:
        """Whose calls were measured here."""
        return {*self._waits, *self._costs}

    def waited(self, tenant: str, stages: Mapping[str, int]) -> None:
        """One more answer."""
        self._waits.setdefault(tenant, _Recent()).add(stages)
        for stage, milliseconds in stages.items():
            _WAITED.labels(stage).observe(milliseconds / 1000)

    def cost(self, tenant: str, rupees_per_minute: float, *, dear: bool) -> None:
        """One more call, by what a minute of it came to."""
        self._costs.setdefault(tenant, _Recent()).add({PAISE: round(rupees_per_minute * 100)})
        _MINUTE.observe(rupees_per_minute)
        _DEAR.inc(dear)

    def told(self, tenant: str, calls: list[dict[str, Any]], *, degraded: bool) -> Told:
        """What the siblings are told."""
        waits = self._waits[tenant].counts() if tenant in self._waits else {}
        paise = self._costs[tenant].counts().get(PAISE, {}) if tenant in self._costs else {}
        return Told(calls=calls, waits=waits, paise=paise, degraded=degraded)


Shown = Callable[[str], Told]
"""What this process tells of a tenant."""


class Siblings:
    """Tells the other processes what was measured here, and knows what they tell."""

    def __init__(
        self, store: Store, worker: Callable[[], Any], tenants: Callable[[], Iterable[str]], shown: Shown
    ) -> None:
        self._store = store
        self._worker = worker
        self._tenants = tenants
        self._shown = shown

    async def run(self) -> None:
        """Tell every few seconds, as long as the process lives."""
        while True:
            await asyncio.sleep(EVERY_S)
            with left_for_later("what was measured was not told"):
                await self.tell()

    async def tell(self) -> None:
        """Once, of every tenant."""
        for tenant in sorted(self._tenants()):
            text = msgspec.json.encode(self._shown(tenant)).decode()
            await self._store.pool.execute(_TELL, self._worker(), tenant, text)
        await self._store.pool.execute(_FORGET)

    async def sight(self, tenant: str, budget: Budget, alarm: float | None) -> dict[str, Any]:
        """The calls of all processes, how long the contacts wait, and what would help."""
        rows = await self._store.pool.fetch(_OTHERS, tenant, self._worker(), STALE_S)
        told = [self._shown(tenant), *(msgspec.json.decode(row["told"], type=Told) for row in rows)]
        calls = [call for each in told for call in each.calls]
        latency = merged([each.waits for each in told]).percentiles()
        minute = _minute([each.paise for each in told])
        return {
            "active_calls": len(calls),
            "calls": calls,
            "latency": renamed(latency),
            "hints": hints(latency, budget) + _dear(minute, alarm),
            "degraded": any(each.degraded for each in told),
            "rupees_per_minute": minute,
        }


def renamed(latency: Mapping[str, Any]) -> dict[str, Any]:
    """The stages as the API calls them."""
    named = {"llm": "llm_ttfb", "tts": "tts_ttfb"}
    return {named.get(name, name): value for name, value in latency.items()}


def _minute(paise: Iterable[Counts]) -> dict[str, float]:
    whole = merged([{PAISE: counts} for counts in paise]).stages.get(PAISE)
    return {f"p{percent}": whole.percentile(percent) / 100 for percent in (50, 90)} if whole else {}


def _dear(minute: Mapping[str, float], alarm: float | None) -> list[str]:
    if alarm is None or minute.get("p50", 0.0) <= alarm:
        return []
    return [f"half of the calls cost ₹{minute['p50']:.2f} a minute or more, over the alarm's ₹{alarm:.2f}: speak less"]
