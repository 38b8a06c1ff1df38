"""Somebody calls us: they wait a moment, are talked with in their conversation, or hear that we call them; never in two calls."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from voice_house import sandbox_urls
from voice_world import Voice, until

from events.call import Answered, CameIn, Dialled, Ended, Missed, ToolCalled, TurnTaken
from libs.channels.exotel import Reached
from libs.config.bundle import Bundle
from libs.kit.bundles import Bundles
from libs.kit.problems import Problem
from libs.testkit.nouns import PRIYA_PHONE, TENANT
from voice_service import lobby
from voice_service.facts import Facts
from voice_service.flow import Flow
from voice_service.leases import BEAT, LEASE, Worker
from voice_service.orphans import Orphans
from voice_service.providers.shared import Shared
from voice_service.settings import Settings
from voice_service.transfers import Transfers

PROMISES = [
    {"on": "heard", "when": "madad", "do": [{"say": "Haan ji, 20 February tak payment kar denge."}]},
    {"on": "heard", "when": "kar denge", "do": [{"say": "Theek hai, bye."}]},
]
WAITS = [{"on": "silence", "after_seconds": 60, "do": [{"say": "Hello?"}]}]


async def test_priya_calls_and_promises_to_pay(voice: Voice):
    await voice.control("PUT", f"/phones/{PRIYA_PHONE}", {"fate": "busy", "calling": PROMISES, "deaf": True})
    sid, came = await voice.calls_us()
    assert came.event.waits
    await voice.takes(came)
    await voice.until(came, Answered)

    async def calls() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await voice.client.get(f"{voice.origin}/api/v1/voice/calls")).json()["calls"]
        return found

    [shown] = await until(calls)
    assert (shown["call_id"], shown["direction"]) == (came.subject_id, "inbound")
    [ended] = await voice.until(came, Ended, seconds=60)
    assert ended.reason == "completed"
    opening, *exchanges = await voice.told(came, TurnTaken)
    assert opening.agent.startswith("Namaste Priya ji, boliye")
    assert "20 February" in " ".join(each.contact for each in exchanges)
    assert {each.tool for each in await voice.told(came, ToolCalled)} == {"report_intent", "end_call"}
    assert {"telephony", "stt", "tts"} <= set(ended.costs)
    call = await voice.control("GET", f"/exotel/calls/{sid}/over")
    assert call["problems"] == []
    await until(lambda: voice.store.pool.fetchval("SELECT over FROM voice.incoming"))


async def test_who_waits_hears_a_line_and_is_talked_with_once_they_are_known(
    voice: Voice, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(lobby, "PATIENCE_S", 30)  # their line is heard first, however long that takes here
    acts = [{"on": "heard", "when": "madad", "do": [{"say": "Kuch nahi, bye.", "hang_up": True}]}]
    await voice.control("PUT", f"/phones/{PRIYA_PHONE}", {"calling": acts, "deaf": True})
    sid, came = await voice.calls_us()

    async def welcomed() -> bool:
        moments = (await voice.control("GET", f"/exotel/calls/{sid}"))["moments"]
        return any(each["who"] == "agent" and each["end"] is not None for each in moments)

    await until(welcomed)
    await voice.takes(came)
    [ended] = await voice.until(came, Ended, seconds=60)
    assert ended.reason in ("contact_hung_up", "completed"), "both say goodbye"
    heard = (await voice.control("GET", f"/exotel/calls/{sid}"))["heard"]
    assert "ek minute" in heard[0]
    assert any("madad" in each for each in heard)
    assert await voice.told(came, Missed) == []


async def test_who_waits_in_vain_is_promised_nothing_as_they_may_be_anybody_and_a_late_answer_changes_nothing(
    voice: Voice,
):
    await voice.control("PUT", f"/phones/{PRIYA_PHONE}", {"calling": WAITS, "deaf": True})
    sid, came = await voice.calls_us()
    [missed] = await voice.until(came, Missed)
    assert missed.reason == "not_found"
    call = await voice.control("GET", f"/exotel/calls/{sid}/over")
    heard = " ".join(call["heard"] + [each["what"] for each in call["moments"]])
    assert "koshish" in heard or not heard
    assert "call karenge" not in heard
    assert not missed.promised
    assert call["disconnected_by"] == "bot"
    await voice.takes(came)

    async def known() -> bool:
        return bool(await voice.store.pool.fetchval("SELECT state = 'over' FROM voice.call"))

    await until(known)
    assert await voice.told(came, Ended) == []


async def test_who_hangs_up_while_they_wait_was_missed(voice: Voice):
    await voice.control(
        "PUT", f"/phones/{PRIYA_PHONE}", {"calling": [{"on": "answered", "do": [{"wait": 0.3, "hang_up": True}]}]}
    )
    _, came = await voice.calls_us()
    [missed] = await voice.until(came, Missed)
    assert (missed.reason, missed.promised) == ("hung_up", False)


async def test_a_full_process_leads_to_one_that_has_a_line_and_a_full_house_tells_the_flow_so(voice: Voice):
    store, clock = voice.store, voice.clock
    settings = Settings(origin="http://full", sandbox_urls=sandbox_urls(voice.sandbox), profile="development")
    full = Worker(store, name="full", lines=0, beat=BEAT, lease=LEASE)
    bundles = Bundles(store, Bundle.from_json)
    transfers = Transfers(settings, store, bundles, Facts(store, clock), voice.client)
    flow = Flow(settings, store, Bundles(store, Bundle.from_json), clock, full, Shared(), transfers)
    door = settings.door(await Bundles(store, Bundle.from_json).current(TENANT))

    async def beats() -> bool:
        return bool(await store.pool.fetchval("SELECT count(*) FROM voice.worker"))

    await until(beats)
    url = await flow.reached(TENANT, door, Reached(ref="in-1", call=None, caller=PRIYA_PHONE, dialled=None))
    [running] = await store.pool.fetch("SELECT name FROM voice.worker")
    assert url.startswith(f"{voice.origin.replace('http', 'ws')}/api/v1/voice/media/{running['name']}/{TENANT}/")
    await store.pool.execute("UPDATE voice.worker SET lines = 0")
    for _ in range(2):
        with pytest.raises(Problem) as refused:
            await flow.reached(TENANT, door, Reached(ref="in-2", call=None, caller=PRIYA_PHONE, dialled=None))
        assert refused.value.status == 503
    facts = [fact.event for fact in await store.read_log(0, 0, 1000) if isinstance(fact.event, CameIn)]
    assert [(each.provider_ref, each.waits) for each in facts] == [("in-1", True), ("in-2", False)]


async def test_who_is_led_to_a_process_has_a_line_there_though_it_was_told_to_end_before_their_media_came(voice: Voice):
    store, clock = voice.store, voice.clock
    settings = Settings(origin="http://ends", sandbox_urls=sandbox_urls(voice.sandbox), profile="development")
    ends = Worker(store, name="ends", lines=1, beat=timedelta(seconds=0.1), lease=LEASE)
    bundles = Bundles(store, Bundle.from_json)
    transfers = Transfers(settings, store, bundles, Facts(store, clock), voice.client)
    flow = Flow(settings, store, bundles, clock, ends, Shared(), transfers)
    door = settings.door(await bundles.current(TENANT))
    beating = asyncio.create_task(ends.run())
    try:
        await until(lambda: _is(ends.room() == 1))
        url = await flow.reached(TENANT, door, Reached(ref="in-1", call=None, caller=PRIYA_PHONE, dialled=None))
        assert url.startswith("ws://ends"), url
        ends.draining = True
        path, _, query = url.removeprefix("ws://ends").partition("?")
        scope: Any = {"path": path, "query_string": query.encode()}
        assert (ends.expects(scope), ends.busy(), ends.room()) == (True, True, 0)
        await store.pool.execute("UPDATE voice.incoming SET over = true")
        await until(lambda: _is(not ends.busy()))
    finally:
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)


async def _is(fact: bool) -> bool:
    return fact


async def test_a_call_of_ours_that_they_answer_while_they_talk_with_us_is_let_go(voice: Voice):
    await voice.control("PUT", f"/phones/{PRIYA_PHONE}", {"rings_seconds": 29, "calling": WAITS, "deaf": True})
    ours = await voice.call()
    await voice.until(ours, Dialled)
    sid, came = await voice.calls_us()
    await voice.takes(came)
    await voice.held(came)
    socket = await voice.picks_up(ours)
    assert [each async for each in socket] == [], "nothing is played, and the line ends"
    [withdrawn] = await voice.until(ours, Ended)
    assert (withdrawn.reason, withdrawn.turns) == ("withdrawn", 0)
    assert await voice.told(ours, TurnTaken) == []
    later = await voice.call()

    async def tried() -> bool:
        return bool(await voice.store.pool.fetchval("SELECT attempt > 0 FROM voice.effect WHERE id = $1", later.id))

    await until(tried)
    assert await voice.told(later, Dialled) == [], "who talks with us is not rung"
    await voice.control("POST", f"/exotel/calls/{sid}/hang-up")
    [ended] = await voice.until(came, Ended)
    assert ended.reason == "contact_hung_up"


async def test_who_waits_at_a_process_that_dies_was_missed_and_a_sibling_tells_it(voice: Voice):
    clock, store = voice.clock, voice.store
    await voice.control("PUT", f"/phones/{PRIYA_PHONE}", {"calling": WAITS, "deaf": True})
    _, came = await voice.calls_us()

    async def waits() -> bool:
        return bool(await store.pool.fetchval("SELECT connected_at IS NOT NULL FROM voice.incoming"))

    await until(waits)
    await store.pool.execute("UPDATE voice.incoming SET worker = gen_random_uuid()")
    orphans = Orphans(store, Facts(store, clock), Worker(store, name="sibling", lines=1, beat=BEAT, lease=LEASE))
    assert await orphans.look() == 1
    [missed] = await voice.told(came, Missed)
    assert missed.reason == "lost"
    assert await voice.until(came, Missed) == [missed]
