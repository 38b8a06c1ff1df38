"""What the console shows: the shapes that programs rely on, now and at any past position."""

from datetime import timedelta

from libs.kit.clock import Clock
from libs.testkit.nouns import INVOICE, MORNING, PRIYA
from tests.projections.journey import Journey
from tests.services.console.conftest import Console

MEANINGLESS = (
    "conversations?limit=0",
    "conversations?limit=201",
    "conversations?limit=many",
    "conversations?status=sleeping",
    "followups?status=waiting",
    "conversations?cursor=abc",
    "conversations?cursor=é",
    "followups?cursor=cDE5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OQ",
    "conversations?contact_id=%00",
    "conversations?contact_id=",
    "conversations?process_type=" + "x" * 201,
    "conversations/conv-1?at=yesterday",
    "conversations/conv-1?at=-1",
    "conversations/conv-1?at=",
    "conversations/conv-1?at=2026-02-16T10:30:00",
    "conversations/conv-1?at=%00",
)


async def test_health_says_each_channels_mode_without_a_key(console: Console):
    answer = await console.client.get("/health")
    assert answer.status_code == 200
    assert answer.json()["status"] == "ok"
    assert answer.json()["channels"]["whatsapp"] == "sandbox"
    assert answer.json()["channels"]["voice"] == "sandbox"


async def test_a_channel_whose_breaker_is_open_is_degraded(console: Console):
    await console.store.pool.execute(
        "INSERT INTO gateways.account (tenant, account, open_until) VALUES ('default', 'whatsapp', now() + interval '1 h')"
    )
    answer = (await console.client.get("/health")).json()
    assert (answer["status"], answer["channels"]["whatsapp"]) == ("degraded", "degraded")


async def test_a_conversation_shows_its_contact_bindings_messages_and_timeline(console: Console):
    await Journey(console.log).whole()
    await console.shows_all()
    answer = await console.get("/api/v1/conversations/conv-1")
    assert answer.status_code == 200
    talk = answer.json()
    assert talk["contact"]["name"] == "Priya Sharma"
    assert (talk["id"], talk["status"], talk["active_channel"]) == ("conv-1", "closed", "whatsapp")
    [binding] = talk["bindings"]
    assert (binding["process_type"], binding["entity_type"], binding["entity_id"], binding["current_state"]) == (
        "payment_collection",
        "invoice",
        INVOICE,
        "promised",
    )
    assert binding["state_data"]["extracted_info"] == {"payment_date": "2026-02-20"}
    ours, hers = (each for each in talk["messages"] if each["channel"] == "whatsapp")
    assert (ours["direction"], ours["status"], ours["content"]) == ("outbound", "read", "Please pay")
    assert (hers["direction"], hers["content"]) == ("inbound", "20 February tak kar denge")
    assert {"channel", "timestamp", "metadata"} <= ours.keys()
    types = [entry["type"] for entry in talk["timeline"]]
    assert types[:3] == ["business.event_received.v1", "rules.evaluated.v1", "followup.opened.v1"]
    assert types[-1] == "conversation.closed.v1"
    assert talk["position"] == await console.store.head(0)


async def test_a_past_position_shows_what_was_then(console: Console):
    journey = Journey(console.log)
    await journey.begin()
    begun = await console.store.head(0)
    await journey.remind()
    reminded = await console.store.head(0)
    await journey.promise()
    await journey.close()
    await console.shows_all()

    async def at(position: int) -> tuple[str, list[str], int]:
        talk = (await console.get("/api/v1/conversations/conv-1", at=str(position))).json()
        return talk["status"], [each["current_state"] for each in talk["bindings"]], len(talk["messages"])

    assert await at(journey.opened_at) == ("open", [], 0)
    assert await at(begun) == ("open", ["pending"], 0)
    assert await at(reminded) == ("waiting", ["reminded"], 1)
    assert await at(10**30) == ("closed", ["promised"], 2)
    for position in range(journey.opened_at, await console.store.head(0) + 1):
        answer = await console.get("/api/v1/conversations/conv-1", at=str(position))
        assert (answer.status_code, answer.json()["position"]) == (200, position)


async def test_before_its_opening_there_is_no_conversation(console: Console):
    journey = Journey(console.log)
    await journey.begin()
    await console.shows_all()
    before = str(journey.opened_at - 1)
    assert (await console.get("/api/v1/conversations/conv-1", at=before)).status_code == 404
    early = (MORNING - timedelta(days=1)).isoformat()
    assert (await console.get("/api/v1/conversations/conv-1", at=early)).status_code == 404


async def test_a_past_time_is_business_time_and_may_come_with_an_unescaped_plus(console: Console):
    journey = Journey(console.log)
    await journey.begin()
    then = console.log.now
    await journey.remind()
    await console.shows_all()
    answer = await console.get("/api/v1/conversations/conv-1", at=then.isoformat())
    assert (answer.status_code, answer.json()["messages"]) == (200, [])
    unescaped = then.isoformat().replace("+", " ")
    again = await console.get("/api/v1/conversations/conv-1", at=unescaped)
    assert again.json() == answer.json()


async def test_a_second_conversation_knows_its_contact_from_before(console: Console):
    await Journey(console.log).whole()
    await Journey(console.log, 2).whole()
    await console.shows_all()
    talk = (await console.get("/api/v1/conversations/conv-2")).json()
    assert talk["contact"]["name"] == "Priya Sharma"


async def test_lists_are_filtered_and_paged_by_an_opaque_cursor(console: Console):
    for number in range(1, 6):
        await Journey(console.log, number).begin()
    await Journey(console.log, 6).whole()
    await console.shows_all()
    for path, prefix in (("conversations", "conv"), ("followups", "matter")):
        seen: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            page = (await console.get(f"/api/v1/{path}", limit="2", contact_id=PRIYA, **cursor)).json()
            seen += [item["id"] for item in page["items"]]
            if page["next_cursor"] is None:
                break
            cursor = {"cursor": page["next_cursor"]}
        assert seen == [f"{prefix}-{number}" for number in range(6, 0, -1)]
        settled = {"conversations": "closed", "followups": "resolved"}[path]
        [item] = (await console.get(f"/api/v1/{path}", status=settled)).json()["items"]
        assert (item["id"], item["status"]) == (f"{prefix}-6", settled)
        of_process = await console.get(f"/api/v1/{path}", process_type="payment_collection")
        assert len(of_process.json()["items"]) == 6
        assert (await console.get(f"/api/v1/{path}", process_type="x")).json() == {"items": [], "next_cursor": None}
        assert (await console.get(f"/api/v1/{path}", contact_id="nobody")).json()["items"] == []


async def test_one_follow_up_and_one_contact(console: Console):
    await Journey(console.log).begin()
    await console.shows_all()
    matter = (await console.get("/api/v1/followups/matter-1")).json()
    assert (matter["status"], matter["conversation_id"], matter["rule_id"]) == ("open", "conv-1", "overdue")
    assert matter["business_context"]["invoice_number"] == INVOICE
    contact = (await console.get(f"/api/v1/contacts/{PRIYA}")).json()
    assert (contact["name"], contact["organization"]) == ("Priya Sharma", "Acme Corp")


async def test_stats_count_by_status_and_tell_lags_and_spend(console: Console):
    await Journey(console.log).whole()
    await console.shows_all()
    stats = (await console.get("/api/v1/stats")).json()
    assert stats["conversations"] == {"open": 0, "waiting": 0, "with_operator": 0, "closed": 1}
    assert stats["followups"]["resolved"] == 1
    assert stats["messages"] == {
        "whatsapp": {"inbound": {"delivered": 1}, "outbound": {"read": 1}},
        "voice": {"inbound": {"delivered": 1}, "outbound": {"delivered": 1}},  # what was said in the call
    }
    assert stats["lag"]["consumers"]["projections"]["behind"] == 0
    assert stats["lag"]["relay"] is None
    assert stats["spend_today"]["since"].endswith("+05:30")


async def test_what_today_has_cost_is_of_messages_turns_and_calls(console: Console):
    async with Clock.open(console.store.pool, console.store.listener) as clock:
        await clock.set(MORNING)
        await Journey(console.log).whole()
        await console.shows_all()
        spent = (await console.get("/api/v1/stats")).json()["spend_today"]["currencies"]
    rupees, dollars = spent
    assert rupees == {
        "currency": "INR",
        "messages_micros": 115_000,
        "llm_micros": 0,
        "calls_micros": 1_200_000,
        "total_micros": 1_315_000,
    }
    assert (dollars["llm_micros"], dollars["calls_micros"], dollars["total_micros"]) == (450, 5_000, 5_450)


async def test_what_is_not_there_is_404_with_problem_details(console: Console):
    for path in ("conversations/nobody", "followups/nobody", "contacts/nobody", "contacts/a%00b"):
        answer = await console.get(f"/api/v1/{path}")
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"


async def test_a_parameter_that_cannot_be_meant_is_422_and_says_what_would_be_right(console: Console):
    for query in MEANINGLESS:
        answer = await console.get(f"/api/v1/{query}")
        assert answer.status_code == 422, f"{query}: {answer.text}"
        assert answer.headers["content-type"] == "application/problem+json"
        [error] = answer.json()["errors"]
        assert error["path"] in query
        assert error["message"]
