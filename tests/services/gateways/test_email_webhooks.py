"""What SendGrid and Mailgun post is proven first, stored once, and only then acknowledged."""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from events.inbound import Fetched, Received, Unsubscribed
from libs.channels.email import File, Letter, Mailbox, compose
from libs.channels.email_verify import verify_sendgrid
from libs.kit.clock import Clock
from libs.kit.objects import Objects, ObjectsAway
from libs.kit.store import Store, Unavailable
from libs.testkit.nouns import HER_PROMISE, NOON, PRIYA_EMAIL, TENANT
from libs.testkit.servers import StoreOf
from services.gateways.email.door import SANDBOX_SENDGRID_KEY, sandbox_door
from services.sandbox import mail_report, mailgun, sendgrid
from services.sandbox.contact_script import Line, Person
from tests.services.gateways.email_world import OPEN, SECRET, EmailWorld, bundle_of, email_world

PROVIDERS = ["sendgrid_raw", "sendgrid", "mailgun", "mailgun_mime"]
MAILGUN_KEY = sandbox_door("").mailgun_signing_key
MAIL = b"From: Priya <priya@acme.example>\r\nTo: asha@reply.sandbox.example\r\nMessage-ID: <m1@acme.example>\r\nSubject: hi\r\n\r\nkal\r\n"


@pytest.fixture
async def world(
    database: str, store: Store, store_of: StoreOf, clock: Clock, nats_url: str, tmp_path: Path
) -> AsyncIterator[EmailWorld]:
    people = [
        Person(
            name="Priya Sharma",
            addresses={"email": PRIYA_EMAIL},
            lines=(
                Line(when="which date", say=(HER_PROMISE,), after_seconds=0.01),
                Line(when="are you there", say=("I am on leave until Monday",), automatic=True, after_seconds=0.01),
                Line(when="enough", unsubscribe=True, after_seconds=0.01),
            ),
        )
    ]
    async with email_world(database, store, store_of, clock, nats_url, tmp_path, people=people) as running:
        yield running


def assert_problem(answer: httpx.Response, status: int) -> None:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def form(**fields: Any) -> dict[str, Any]:
    return {"files": {name: (None, content) for name, content in fields.items()}}


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("style", ["gmail", "gmail_hindi", "outlook", "outlook_hindi", "iphone"])
async def test_an_answer_finds_its_mail_and_is_read_without_the_quote(world: EmailWorld, provider: str, style: str):
    intent = await world.say("Please pay soon.", body={"subject": "Invoice"})
    await world.until(intent, "accepted")
    id = await world.priya_writes("कल करूँगी 👍", provider=provider, style=style)
    [event] = await world.inbound("received")
    digest = (await world.store.keyring.lookup(TENANT, "email", PRIYA_EMAIL)).hex()
    assert isinstance(event, Received)
    assert (event.text, event.subject, event.sender, event.digest) == ("कल करूँगी 👍", "Re: Invoice", PRIYA_EMAIL, digest)
    assert (event.provider_ref, event.reply_to) == (id, f"{intent.id}@mail.sandbox.example")
    assert event.reference == str(intent.id)
    assert event.automatic is None
    assert await world.statuses(3) == [200] * 3


async def test_a_person_of_the_sandbox_answers_by_mail(world: EmailWorld):
    intent = await world.say()
    [event] = await world.inbound("received")
    assert (event.text, event.sender_name, event.reference) == (HER_PROMISE, "Priya Sharma", str(intent.id))


async def test_an_answer_whose_thread_is_lost_is_found_by_the_address_that_it_was_sent_to(world: EmailWorld):
    await world.goes_wrong(rewrites_id=True)
    intent = await world.say("Please pay soon.")
    await world.until(intent, "accepted")
    await world.priya_writes("kal", without_thread=True)
    [event] = await world.inbound("received")
    assert (event.reference, event.reply_to, event.thread) == (str(intent.id), None, [])


async def test_a_token_that_we_did_not_sign_leads_nowhere(world: EmailWorld):
    intent = await world.say("Please pay soon.")
    await world.until(intent, "accepted")
    [letter] = await world.sent()
    local, domain = letter["reply_to"].split("@")
    forged = f"{local[:-4]}aaaa@{domain}"
    await world.priya_writes("kal", to=forged)
    [event] = await world.inbound("received")
    assert event.reference is None


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_the_same_mail_three_times_is_one_fact(world: EmailWorld, provider: str):
    await world.priya_writes("kal", provider=provider, copies=3, new=True)
    assert await world.statuses(3) == [200] * 3
    assert len(await world.inbound("received")) == 1


async def test_no_word_of_a_mail_is_stored_in_plain(world: EmailWorld, tmp_path: Path):
    await world.priya_writes(
        HER_PROMISE,
        new=True,
        subject="Secret subject",
        files=[{"media_type": "text/plain", "name": "plan.txt", "data": "cGxhbg=="}],
    )
    await world.inbound("fetched")
    rows = await world.store.pool.fetch("SELECT data FROM log.event")
    stored = [bytes(row["data"]) for row in rows]
    stored += [path.read_bytes() for path in files_in(tmp_path)]
    assert len(stored) > len(rows)
    for word in (HER_PROMISE, PRIYA_EMAIL, "Secret subject", "plan.txt"):
        assert not any(word.encode() in each for each in stored)


@pytest.mark.parametrize("provider", PROVIDERS)
async def test_files_are_kept_sealed_with_their_names_and_sizes(world: EmailWorld, provider: str):
    content = bytes(range(256)) * 400
    file = {"media_type": "application/pdf", "name": "रसीद.pdf", "data": base64.b64encode(content).decode()}
    await world.priya_writes("dekhiye", new=True, provider=provider, files=[file])
    [received] = await world.inbound("received")
    [fetched] = await world.inbound("fetched")
    assert isinstance(fetched, Fetched)
    [announced], [kept] = received.attachments, fetched.attachments
    assert (announced.name, announced.size, announced.media_type, announced.object) == (
        "रसीद.pdf",
        len(content),
        "application/pdf",
        None,
    )
    assert kept.sha256 == hashlib.sha256(content).hexdigest()
    assert await world.objects.get(TENANT, kept.object or "") == content


async def test_an_out_of_office_answer_is_known_as_one_and_proves_the_delivery(world: EmailWorld):
    await world.goes_wrong(silent=True)
    intent = await world.say("Are you there?")
    [event] = await world.inbound("received")
    assert event.automatic == "out_of_office"
    assert event.reference == str(intent.id)
    assert await world.until(intent, "delivered") == ["accepted", "delivered"]


async def test_a_complaint_is_no_consent_any_more(world: EmailWorld):
    await world.goes_wrong(complains="event")
    await world.say("Please pay soon.")
    [event] = await world.inbound("unsubscribed")
    assert (event.how, event.sender) == ("complaint", PRIYA_EMAIL)
    await world.goes_wrong(complains="report")
    second = await world.say("Please pay soon.")
    found = await world.inbound("unsubscribed", 2)
    assert (found[1].how, found[1].sender, found[1].reference) == ("complaint", PRIYA_EMAIL, str(second.id))


async def test_nobody_can_complain_for_somebody_else(world: EmailWorld):
    await world.until(await world.say("Please pay soon."), "delivered")
    ours = mail_report.complaint("x@y.example", PRIYA_EMAIL, "someone-elses@mail.example", {})
    assert (await world.post(**form(email=ours))).status_code == 200
    await world.until(await world.say("Please pay soon."), "delivered")
    facts = await world.store.read_log(0, 0, 10_000, families=["inbound"])
    assert not any(isinstance(fact.event, Unsubscribed) for fact in facts)


async def test_one_click_unsubscribes_and_a_look_at_the_link_does_not(world: EmailWorld):
    intent = await world.say("Please pay soon.")
    [letter] = await world.sent()
    path = letter["headers"]["list-unsubscribe"][0].partition(">")[0].removeprefix("<http://hooks.acme.example")
    before = await world.facts()
    looked = await world.client.get(world.origin + path)
    assert looked.status_code == 200
    assert '<form method="post">' in looked.text
    await world.until(intent, "delivered")
    clicked = await world.client.post(world.origin + path, data={"List-Unsubscribe": "One-Click"})
    assert (clicked.status_code, clicked.is_redirect) == (200, False)
    assert (await world.client.post(world.origin + path)).status_code == 200
    [event] = await world.inbound("unsubscribed")
    digest = (await world.store.keyring.lookup(TENANT, "email", PRIYA_EMAIL)).hex()
    assert event == Unsubscribed(
        channel="email", digest=digest, how="link", sender=PRIYA_EMAIL, reference=str(intent.id)
    )
    assert before < await world.facts()


@pytest.mark.parametrize(
    "token",
    ["x", "default.x.y", "nobody." + "a" * 26 + "." + "b" * 16, "default." + "a" * 26 + "." + "b" * 16, "a.b.c.d"],
)
async def test_a_link_that_we_did_not_sign_is_404(world: EmailWorld, token: str):
    page = await world.client.get(f"{world.origin}/unsubscribe/{token}")
    assert (page.status_code, page.headers["content-type"]) == (404, "text/html; charset=utf-8"), "a person may see it"
    assert "STOP" in page.text
    assert_problem(await world.client.post(f"{world.origin}/unsubscribe/{token}"), 404)


async def test_a_reply_token_does_not_unsubscribe(world: EmailWorld):
    await world.say("Please pay soon.")
    [letter] = await world.sent()
    token = letter["reply_to"].partition("@")[0].removeprefix("r+")
    assert_problem(await world.client.post(f"{world.origin}/unsubscribe/default.{token}"), 404)


async def test_a_mail_to_the_unsubscribe_address_unsubscribes(world: EmailWorld):
    intent = await world.say("Please pay soon.")
    await world.until(intent, "accepted")
    [letter] = await world.sent()
    address = letter["headers"]["list-unsubscribe"][0].partition("mailto:")[2].partition("?")[0]
    await world.priya_writes("stop", to=address)
    [event] = await world.inbound("unsubscribed")
    assert (event.how, event.sender) == ("link", PRIYA_EMAIL)


async def test_who_cannot_prove_it_is_401_and_nothing_is_stored(world: EmailWorld):
    before = await world.facts()
    signed = mailgun.signature("another key", world.clock.now())
    old = mailgun.signature(MAILGUN_KEY, world.clock.now().replace(year=2025))
    events = sendgrid.events(
        [sendgrid.event("delivered", to="a@b.example", message_id="x@y", at=world.clock.now())], world.clock.now()
    )
    webhook = mailgun.webhook("delivered", to="a@b.example", message_id="x@y", key="another key", at=world.clock.now())
    attempts = [
        await world.post("/webhooks/email", **form(email=MAIL)),
        await world.post("/webhooks/email/guess", **form(email=MAIL)),
        await world.post("/webhooks/email", auth=("sendgrid", "guess"), **form(email=MAIL)),
        await world.post("/webhooks/email", **form(**{"body-mime": MAIL, **signed})),
        await world.post("/webhooks/email", **form(**{"body-mime": MAIL, **old})),
        await world.post(**form(**{"body-mime": MAIL, **signed})),
        await world.post("/webhooks/email", content=b"", headers={"content-type": "multipart/form-data"}),
        await world.post(
            "/webhooks/email/bounce", content=events.content, headers={"content-type": "application/json"}
        ),
        await world.post(
            "/webhooks/email/bounce", content=(events.content or b"") + b" ", headers=dict(events.headers)
        ),
        await world.post("/webhooks/email/bounce", content=webhook.content, headers=dict(webhook.headers)),
        await world.post("/webhooks/email/bounce", content=b"{}", headers={"content-type": "application/json"}),
    ]
    for answer in attempts:
        assert_problem(answer, 401)
    assert await world.facts() == before


async def test_the_secret_may_be_a_password_too(world: EmailWorld):
    answer = await world.post("/webhooks/email", auth=("sendgrid", SECRET), **form(email=MAIL))
    assert answer.status_code == 200
    assert [event.text for event in await world.inbound("received")] == ["kal"]


async def test_a_tenant_has_paths_of_its_own(world: EmailWorld):
    for path in (f"/webhooks/{TENANT}/email/{SECRET}", f"/webhooks/{TENANT}/email/bounce/{SECRET}"):
        assert (await world.post(path, **form(email=MAIL))).status_code == 200
    assert len(await world.inbound("received")) == 1
    assert_problem(await world.post(f"/webhooks/nobody/email/{SECRET}", **form(email=MAIL)), 404)


async def test_a_signature_of_mailgun_serves_for_one_content_only(world: EmailWorld):
    signed = mailgun.signature(MAILGUN_KEY, world.clock.now())
    first = {"body-mime": MAIL, **signed}
    assert (await world.post("/webhooks/email", **form(**first))).status_code == 200
    assert (
        await world.post(
            "/webhooks/email", data={k: v.decode() if isinstance(v, bytes) else v for k, v in first.items()}
        )
    ).status_code == 200
    other = MAIL.replace(b"m1@", b"m2@")
    assert_problem(await world.post("/webhooks/email", **form(**{**first, "body-mime": other})), 401)
    assert len(await world.inbound("received")) == 1


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, 422),
        ({"text": b"hi"}, 422),
        ({"headers": b"", "text": b"hi"}, 422),
        ({"email": b""}, 422),
        ({"email": b"\xff\xfe\x00"}, 422),
    ],
)
async def test_a_form_that_is_no_mail_is_4xx_and_nothing_is_stored(
    world: EmailWorld, fields: dict[str, bytes], status: int
):
    before = await world.facts()
    assert_problem(await world.post(**form(**{"x": b"", **fields})), status)
    signed = mailgun.signature(MAILGUN_KEY, world.clock.now())
    assert_problem(await world.post("/webhooks/email", **form(**fields, **signed)), 406)
    assert await world.facts() == before


@pytest.mark.parametrize("content", [b"", b"--x", b"--x\r\n\r\n", b"\x00" * 100])
async def test_what_is_no_form_is_400(world: EmailWorld, content: bytes):
    for kind in ("multipart/form-data; boundary=x", "multipart/form-data", "text/plain", "message/rfc822"):
        answer = await world.post(content=content, headers={"content-type": kind})
        assert answer.status_code in (400, 422), (kind, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"


async def test_events_of_another_shape_are_4xx_and_an_odd_one_among_good_ones_is_passed_over(world: EmailWorld):
    at = world.clock.now()
    for items in ({"event": "delivered"}, [{"event": "delivered"}], [7], "text"):
        body = sendgrid.events(items, at)  # type: ignore[arg-type] # what SendGrid never posts
        answer = await world.post("/webhooks/email/bounce", content=body.content, headers=dict(body.headers))
        assert answer.status_code in (401, 400, 422)
    good = sendgrid.event("delivered", to=PRIYA_EMAIL, message_id="x@y.example", at=at)
    body = sendgrid.events([{"event": "delivered"}, good, {"event": 7}], at)
    assert (
        await world.post("/webhooks/email/bounce", content=body.content, headers=dict(body.headers))
    ).status_code == 200
    assert [event.provider_ref for event in await world.inbound("status_received")] == ["x@y.example"]


async def test_a_malformed_webhook_of_mailgun_is_not_asked_for_again(world: EmailWorld):
    timestamp, token = str(int(world.clock.now().timestamp())), "t" * 50
    signature = hmac.new(MAILGUN_KEY.encode(), (timestamp + token).encode(), hashlib.sha256).hexdigest()
    event = {"event": "delivered", "timestamp": 10**15, "id": "x"}
    body = {"signature": {"timestamp": timestamp, "token": token, "signature": signature}, "event-data": event}
    answer = await world.post("/webhooks/email/bounce", json=body)
    assert_problem(answer, 406)


async def test_a_store_that_is_away_is_503_and_the_repeated_mail_is_taken(
    world: EmailWorld, monkeypatch: pytest.MonkeyPatch
):
    async def away(*_: Any, **__: Any) -> None:
        raise Unavailable("Postgres is away")

    with monkeypatch.context() as patch:
        patch.setattr(world.own_store, "append", away)
        answer = await world.post(**form(email=MAIL))
    assert_problem(answer, 503)
    assert answer.headers["retry-after"] == "1"
    assert (await world.post(**form(email=MAIL))).status_code == 200
    assert len(await world.inbound("received")) == 1


async def test_files_that_cannot_be_kept_are_asked_for_again(world: EmailWorld, monkeypatch: pytest.MonkeyPatch):
    async def away(*_: Any, **__: Any) -> None:
        raise ObjectsAway("the store of objects does not answer")

    letter = Letter(
        message_id="m1@a.example", sender=Mailbox(PRIYA_EMAIL), to="a@b.example", subject="", text="kal", at=NOON
    )
    mail = compose(letter, files=[File("a.txt", "text/plain", b"a")])
    with monkeypatch.context() as patch:
        patch.setattr(Objects, "put", away)
        answer = await world.post(**form(email=mail))
    assert_problem(answer, 503)
    assert (await world.post(**form(email=mail))).status_code == 200
    [fetched] = await world.inbound("fetched")
    assert [each.name for each in fetched.attachments] == ["a.txt"]
    assert len(await world.inbound("received")) == 1


async def test_a_body_that_is_too_large_is_413(world: EmailWorld):
    answer = await world.post(content=b" " * (32 * 1024 * 1024 + 1), headers={"content-type": "application/json"})
    assert_problem(answer, 413)


async def test_a_bounce_that_names_no_mail_of_ours_is_kept_as_a_report(world: EmailWorld):
    raw = b"From: MAILER-DAEMON@x.example\r\nTo: asha@reply.sandbox.example\r\nSubject: failure notice\r\n\r\nSomething went wrong\r\n"
    assert (
        await world.post(**form(email=raw, envelope=json.dumps({"to": ["asha@reply.sandbox.example"], "from": ""})))
    ).status_code == 200
    [event] = await world.inbound("received")
    assert event.automatic == "report"


def test_the_sandbox_signs_with_the_key_that_its_door_trusts():
    body = sendgrid.events([], NOON)
    assert verify_sendgrid(body.content or b"", body.headers, SANDBOX_SENDGRID_KEY)


async def test_a_person_of_the_sandbox_unsubscribes_by_the_click_of_their_client(world: EmailWorld):
    await world.publish(bundle_of(f"webhook_base_url: {world.origin}\n{OPEN}"))
    intent = await world.say("That is enough.")
    [event] = await world.inbound("unsubscribed")
    assert (event.how, event.sender, event.reference) == ("link", PRIYA_EMAIL, str(intent.id))
