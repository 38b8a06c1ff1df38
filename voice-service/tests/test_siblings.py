"""What several processes measured is shown by each of them, as if one had held all the calls."""

from uuid import UUID

from libs.domain.latency import Budget
from libs.kit import ids
from libs.testkit.nouns import TENANT
from libs.testkit.servers import StoreOf
from voice_service.measures import Measures, Siblings, Told


async def test_each_process_shows_the_calls_and_waits_of_all(store_of: StoreOf):
    store = await store_of(role="converse_voice")
    workers: dict[str, Siblings] = {}
    for name, waits in (("w1", [400] * 98), ("w2", [900, 1500])):
        measures, id_ = Measures(), ids.fresh()
        for milliseconds in waits:
            measures.waited(TENANT, {"llm": 310, "total": milliseconds})
        measures.cost(TENANT, 4.8 if name == "w1" else 3.0, dear=False)

        def shown(tenant: str, name: str = name, measures: Measures = measures) -> Told:
            return measures.told(tenant, [{"call_id": f"of {name}"}], degraded=name == "w2")

        def own(id_: UUID = id_) -> UUID:
            return id_

        workers[name] = Siblings(store, own, lambda: [TENANT], shown)
    for each in workers.values():
        await each.tell()
    for each in workers.values():
        sight = await each.sight(TENANT, Budget(), 4.0)
        assert sight["active_calls"] == 2
        assert {call["call_id"] for call in sight["calls"]} == {"of w1", "of w2"}
        total = sight["latency"]["total"]
        assert abs(total["p50_ms"] - 400) <= 7
        assert abs(total["p99_ms"] - 900) <= 15, "the slowest but one of a hundred, held elsewhere"
        assert set(sight["latency"]) == {"llm_ttfb", "total"}
        assert sight["degraded"]
        assert abs(sight["rupees_per_minute"]["p50"] - 3.0) < 0.06
        assert abs(sight["rupees_per_minute"]["p90"] - 4.8) < 0.08
        [hint] = sight["hints"]
        assert hint.startswith("llm takes 3")


async def test_a_process_that_is_gone_is_shown_no_more(store_of: StoreOf):
    store = await store_of(role="converse_voice")
    gone, here = (Siblings(store, ids.fresh, lambda: [TENANT], lambda tenant: Told(calls=[{}])) for _ in range(2))
    await gone.tell()
    await store.pool.execute("UPDATE voice.measured SET at = at - interval '1 minute'")
    assert (await here.sight(TENANT, Budget(), None))["active_calls"] == 1, "its own"
