"""The emulated mail: whoever speaks SMTP is served as by a real server, and the business is told as by real providers."""

from collections.abc import AsyncIterator

import pytest

from libs.channels.outcome import Accepted
from libs.kit.clock import Clock
from libs.kit.store import Store
from services.gateways.email.smtp import Server, hand_over
from tests.libs.kit.effects_world import until
from tests.services.sandbox.mail_rig import ADDRESS, MailRig, mail_rig

MAIL = b"From: Asha <asha@mail.sandbox.example>\r\nTo: rahul@example.com\r\nSubject: hi\r\nMessage-ID: <x@mail.sandbox.example>\r\n\r\nhello\r\n"


@pytest.fixture
async def rig(store: Store) -> AsyncIterator[MailRig]:
    async with Clock.open(store.pool, store.listener) as clock, mail_rig(store, clock) as running:
        yield running


async def handed(rig: MailRig) -> None:
    where = (await rig.client.get("/sandbox/mail/server")).json()
    server = Server(where["host"], where["port"], "asha", "any", where["certificate"])
    outcome = await hand_over(
        server,
        MAIL,
        message_id="x@mail.sandbox.example",
        sender="asha@mail.sandbox.example",
        to=ADDRESS,
        seconds=60,
        attempt=0,
        hostname="mail.sandbox.example",
    )
    assert isinstance(outcome, Accepted)


async def test_a_mail_is_taken_and_told_to_the_business(rig: MailRig):
    await handed(rig)
    [letter] = await rig.control("GET", "/messages")
    assert (letter["to"], letter["subject"], letter["text"], letter["reply_to"]) == (
        ADDRESS,
        "hi",
        "hello\n",
        "asha@mail.sandbox.example",
    )
    await rig.ear.until(2)
    assert [told.state for call in rig.ear.calls for told in rig.read(call.raw)] == ["accepted", "delivered"]  # type: ignore[union-attr]


async def test_a_mail_to_an_address_that_does_not_exist_comes_back(rig: MailRig):
    await rig.control("PUT", "/unreachable", [ADDRESS])
    await handed(rig)
    await rig.ear.until(2)
    assert [told.state for call in rig.ear.calls for told in rig.read(call.raw)] == ["accepted", "bounced"]  # type: ignore[union-attr]


async def test_a_mail_that_the_business_refuses_is_dropped_and_an_event_is_repeated(rig: MailRig):
    await rig.control("PUT", "/callback", {"url": f"{rig.client.base_url}/nowhere"})
    await rig.control("POST", "/inbound", {"from": ADDRESS, "text": "kal", "new": True})
    await handed(rig)

    async def tried() -> bool:
        mail, *events = await rig.control("GET", "/webhooks")
        return bool(events) and mail["over"] and mail["attempts"] == 1 and all(each["attempts"] > 2 for each in events)

    await until(tried)


async def test_reset_forgets_everything_and_goes_on(rig: MailRig):
    await handed(rig)
    await rig.control("POST", "/reset")
    assert await rig.control("GET", "/messages") == []
    await handed(rig)
    assert len(await rig.control("GET", "/messages")) == 1
