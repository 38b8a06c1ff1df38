"""Operators take over, answer and hand back; who may do so."""

import asyncio
from typing import Any

from events import consent, contact, conversation
from events.operator import Released, ReplyGiven, TakeoverRequested
from libs.testkit.nouns import PRIYA, TENANT
from tests.projections.journey import Journey
from tests.services.console.conftest import Console, until

CONVERSATION = "/api/v1/conversations/conv-1"


async def asked_for(console: Console) -> list[Any]:
    return [fact.event for fact in await console.store.read_log(0, 0, 1000, ["operator"])]


async def begun(console: Console) -> Journey:
    journey = Journey(console.log)
    await journey.begin()
    await journey.remind()
    await console.shows_all()
    return journey


async def test_a_takeover_a_reply_and_a_release_are_facts_of_the_caller(console: Console, orchestrator: None):
    await begun(console)
    taken = await console.post(f"{CONVERSATION}/takeover")
    assert (taken.status_code, taken.json()["status"]) == (202, "with_operator")
    said = await console.post(f"{CONVERSATION}/reply", {"content": "Namaste", "channel": "whatsapp"})
    assert (said.status_code, said.json()["duplicate"]) == (202, False)
    released = await console.post(f"{CONVERSATION}/release")
    assert (released.status_code, released.json()["status"]) == (202, "waiting")
    assert await asked_for(console) == [
        TakeoverRequested(conversation="conv-1", operator="asha"),
        ReplyGiven(conversation="conv-1", operator="asha", content="Namaste", channel="whatsapp"),
        Released(conversation="conv-1", operator="asha"),
    ]
    await console.shows_all()
    timeline = (await console.get(CONVERSATION)).json()["timeline"]
    assert [entry["type"] for entry in timeline if entry["type"].startswith("operator")] == [
        "operator.takeover_requested.v1",
        "operator.reply_given.v1",
        "operator.released.v1",
    ]
    assert {entry["actor"] for entry in timeline if entry["type"].startswith("operator")} == {"asha"}


async def test_a_repeated_post_with_one_key_is_one_fact(console: Console, orchestrator: None):
    await begun(console)
    first = await console.post(f"{CONVERSATION}/takeover", **{"Idempotency-Key": "k"})
    again = await console.post(f"{CONVERSATION}/takeover", **{"Idempotency-Key": '"k"'})
    assert (first.json()["duplicate"], again.status_code, again.json()["duplicate"]) == (False, 202, True)
    assert again.json()["event_id"] == first.json()["event_id"]
    once = await console.post(f"{CONVERSATION}/reply", {"content": "one"}, **{"Idempotency-Key": "k"})
    other = await console.post(f"{CONVERSATION}/reply", {"content": "two"}, **{"Idempotency-Key": "k"})
    assert (once.status_code, other.status_code) == (202, 422)
    assert len(await asked_for(console)) == 2


async def test_a_key_that_stands_for_one_contacts_erasure_erases_no_other(console: Console):
    first = await console.post(f"/api/v1/contacts/{PRIYA}/erase", **{"Idempotency-Key": "k"})
    again = await console.post(f"/api/v1/contacts/{PRIYA}/erase", **{"Idempotency-Key": "k"})
    other = await console.post("/api/v1/contacts/c_124/erase", **{"Idempotency-Key": "k"})
    assert [(each.status_code, each.json().get("duplicate")) for each in (first, again, other)] == [
        (202, False),
        (202, True),
        (422, None),
    ]


async def test_what_makes_no_sense_as_things_stand_is_409(console: Console, orchestrator: None):
    journey = await begun(console)
    for verb, body in (("release", None), ("reply", {"content": "x"})):
        answer = await console.post(f"{CONVERSATION}/{verb}", body)
        assert (answer.status_code, answer.json()["conversation_status"]) == (409, "waiting")
    await console.post(f"{CONVERSATION}/takeover")
    twice = await console.post(f"{CONVERSATION}/takeover")
    assert (twice.status_code, "asha" in twice.json()["detail"]) == (409, True)
    nowhere = await console.post(f"{CONVERSATION}/reply", {"content": "x", "channel": "sms"})
    assert (nowhere.status_code, "whatsapp" in nowhere.json()["detail"]) == (409, True)
    withdrawn = consent.Withdrawn(contact_id=PRIYA, how="stop_word", evidence="STOP")
    await console.log.tell(f"consent-{PRIYA}", withdrawn)
    await console.shows_all()
    assert (await console.post(f"{CONVERSATION}/reply", {"content": "x"})).status_code == 409
    await journey.close()
    for verb in ("takeover", "release"):
        closed = await console.post(f"{CONVERSATION}/{verb}")
        assert (closed.status_code, closed.json()["conversation_status"]) == (409, "closed")


async def test_of_two_who_take_over_at_once_the_second_is_told_who_was_first(console: Console):
    journey = await begun(console)
    second = asyncio.create_task(console.post(f"{CONVERSATION}/takeover"))
    await until(console.store, lambda: asked_for(console), bool)
    await console.log.tell(journey.stream, conversation.TakenOver(operator="ravi"))
    answer = await second
    assert (answer.status_code, answer.json().get("detail")) == (409, "ravi has taken it over already")


async def test_an_unknown_conversation_is_404(console: Console):
    for verb, body in (("takeover", None), ("release", None), ("reply", {"content": "x"})):
        assert (await console.post(f"/api/v1/conversations/nobody/{verb}", body)).status_code == 404


async def test_a_reply_that_cannot_be_meant_is_422(console: Console):
    meaningless: tuple[Any, ...] = (
        {},
        {"content": " "},
        {"content": 7},
        {"content": "x" * 4097},
        {"content": "x", "channel": "pigeon"},
        {"content": "x", "chanel": "sms"},
        [],
    )
    for body in meaningless:
        answer = await console.post(f"{CONVERSATION}/reply", body)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["in"] == "body"


async def test_a_body_that_is_no_json_or_no_json_type_and_a_broken_key_are_refused(console: Console):
    bearer = {"Authorization": f"Bearer {console.key}"}
    path = f"{CONVERSATION}/reply"
    assert (await console.client.post(path, content=b"{", headers=bearer)).status_code == 400
    typed = {**bearer, "content-type": "text/csv"}
    assert (await console.client.post(path, content=b"a,b", headers=typed)).status_code == 415
    keyed = {**bearer, "Idempotency-Key": "k" * 201}
    assert (await console.client.post(f"{CONVERSATION}/takeover", headers=keyed)).status_code == 422


async def test_without_a_key_nothing_but_health_is_told(console: Console):
    for path in (
        "/api/v1/stats",
        "/api/v1/conversations",
        CONVERSATION,
        "/api/v1/followups",
        f"/api/v1/contacts/{PRIYA}",
    ):
        answer = await console.client.get(path)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    for verb in ("takeover", "reply", "release"):
        assert (await console.client.post(f"{CONVERSATION}/{verb}")).status_code == 401
    console.key = "wrong"
    assert (await console.get("/api/v1/stats")).status_code == 401


async def test_a_key_opens_what_its_scopes_say(console: Console):
    await begun(console)
    _, reads = await console.store.tenants.create_key(TENANT, "viewer", ["read"])
    _, operates = await console.store.tenants.create_key(TENANT, "bot", ["operate"])
    console.key = reads
    assert (await console.get(CONVERSATION)).status_code == 200
    assert (await console.post(f"{CONVERSATION}/takeover")).status_code == 403
    console.key = operates
    assert (await console.get(CONVERSATION)).status_code == 403
    assert await asked_for(console) == []


async def test_one_tenants_key_shows_nothing_of_another(console: Console):
    await begun(console)
    await console.store.pool.execute("INSERT INTO ops.tenant (tenant, shard) VALUES ('other', 0)")
    _, console.key = await console.store.tenants.create_key("other", "them", ["read", "operate"])
    assert (await console.get(CONVERSATION)).status_code == 404
    assert (await console.get("/api/v1/conversations")).json()["items"] == []
    assert (await console.post(f"{CONVERSATION}/takeover")).status_code == 404


async def test_an_operator_may_answer_on_every_channel_on_which_the_contact_is_reached(
    console: Console, orchestrator: None
):
    await begun(console)
    await console.post(f"{CONVERSATION}/takeover")
    for channel, status in (("chat", 202), ("whatsapp", 202), ("email", 409)):
        answer = await console.post(f"{CONVERSATION}/reply", {"content": "Namaste", "channel": channel})
        assert answer.status_code == status, answer.text


async def test_a_reply_that_no_gateway_would_ever_send_is_refused_with_the_channels_that_are_written_on(
    console: Console, orchestrator: None
):
    journey = await begun(console)
    profile = contact.Profile(name="P", channels=[contact.Address(channel="voice", address="+919876543210")])
    await console.log.tell(f"contact-{PRIYA}", contact.Changed(contact_id=PRIYA, profile=profile))
    called = conversation.ChannelSwitched(channel="voice", reason="they were called")
    await console.log.tell(journey.stream, called)
    await console.shows_all()
    await console.post(f"{CONVERSATION}/takeover")
    for body in ({"content": "Namaste"}, {"content": "Namaste", "channel": "voice"}):
        answer = await console.post(f"{CONVERSATION}/reply", body)
        assert (answer.status_code, "known are chat" in answer.json()["detail"]) == (409, True), answer.text
    assert (await console.post(f"{CONVERSATION}/reply", {"content": "Namaste", "channel": "chat"})).status_code == 202


async def test_who_was_not_spoken_with_yet_is_answered_where_the_operator_says(console: Console, orchestrator: None):
    await Journey(console.log).begin()
    await console.shows_all()
    await console.post(f"{CONVERSATION}/takeover")
    unsaid = await console.post(f"{CONVERSATION}/reply", {"content": "Namaste"})
    assert (unsaid.status_code, "name a channel" in unsaid.json()["detail"]) == (409, True)


async def test_an_operator_does_not_answer_where_the_contact_has_unsubscribed(console: Console, orchestrator: None):
    await begun(console)
    await console.post(f"{CONVERSATION}/takeover")
    withdrawn = consent.Withdrawn(contact_id=PRIYA, how="unsubscribe", evidence="link", channel="whatsapp")
    await console.log.tell(f"consent-{PRIYA}", withdrawn)
    await console.shows_all()
    answer = await console.post(f"{CONVERSATION}/reply", {"content": "Namaste", "channel": "whatsapp"})
    assert (answer.status_code, "unsubscribed" in answer.json()["detail"]) == (409, True)
    elsewhere = await console.post(f"{CONVERSATION}/reply", {"content": "Namaste", "channel": "chat"})
    assert elsewhere.status_code == 202


async def test_an_erasure_that_failed_can_be_asked_for_again_and_the_contact_shows_it(console: Console):
    await console.log.tell(f"contact-{PRIYA}", contact.Registered(contact_id=PRIYA, profile=contact.Profile(name="P")))
    await console.post(f"/api/v1/contacts/{PRIYA}/erase")
    await console.shows_all()
    assert (await console.get(f"/api/v1/contacts/{PRIYA}")).json()["erasure"] == "requested"
    assert (await console.post(f"/api/v1/contacts/{PRIYA}/erase")).json()["duplicate"] is True
    await console.log.tell(f"contact-{PRIYA}", contact.ErasureFailed(contact_id=PRIYA, reason="the keys are away"))
    await console.shows_all()
    assert (await console.get(f"/api/v1/contacts/{PRIYA}")).json()["erasure"] == "failed: the keys are away"
    assert (await console.post(f"/api/v1/contacts/{PRIYA}/erase")).json()["duplicate"] is False
    assert (await console.post(f"/api/v1/contacts/{PRIYA}/erase")).json()["duplicate"] is True
    assert len(await asked_for(console)) == 2
