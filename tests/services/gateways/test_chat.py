"""Whoever has the chat open gets every line once and in order, on every replica, whatever happens to the connection."""

import asyncio
import socket as sockets
from collections.abc import AsyncIterator
from itertools import count
from typing import Any

import httpx
import pytest

from events.conversation import DraftDropped, GateClosed, Released, TakenOver
from events.values import Body, Choice
from libs.channels import chat
from libs.kit.clock import Clock
from libs.kit.store import Store
from libs.testkit.nouns import HER_PROMISE, PRIYA, TENANT
from libs.testkit.servers import StoreOf
from tests.libs.kit.effects_world import until
from tests.services.gateways.chat_world import ChatWorld, Frame, chat_world

HINDI = "हाँ जी, 20 फ़रवरी तक कर देंगे 👍"


@pytest.fixture
async def world(
    database: str, store: Store, store_of: StoreOf, clock: Clock, nats_url: str
) -> AsyncIterator[ChatWorld]:
    async with chat_world(database, store, store_of, clock, nats_url) as running:
        yield running


async def test_a_line_reaches_every_tab_on_every_replica_with_the_same_position(world: ChatWorld):
    async with world.client() as one, world.client(replica=1) as other:
        for tab in (one, other):
            assert await tab.next() == {"type": "status", "status": "caught_up", "position": 0}
        intent = await world.say("When will you pay?")
        for tab in (one, other):
            line = await tab.next("message")
            assert line == {
                "type": "message",
                "id": str(intent.id),
                "position": 1,
                "role": "agent",
                "content": "When will you pay?",
                "at": intent.envelope.occurred_at.isoformat().replace("+00:00", "Z"),
            }
    assert await world.told(intent, "accepted") == ["accepted"]


async def test_what_the_contact_writes_is_stored_before_it_is_said_so_and_shown_in_the_other_tabs(world: ChatWorld):
    async with world.client() as one, world.client(replica=1) as other:
        await one.send(type="message", id="m-1", content=HINDI)
        assert await one.next("status", status="stored") == {"type": "status", "status": "stored", "id": "m-1"}
        [fact] = await world.heard()
        assert (fact.event.channel, fact.event.sender, fact.event.text, fact.event.provider_ref) == (
            "chat",
            PRIYA,
            HINDI,
            "m-1",
        )
        digest = await world.store.keyring.lookup(TENANT, "chat", PRIYA)
        assert fact.event.digest == digest.hex()
        for tab in (one, other):
            line = await tab.next("message")
            assert (line["id"], line["role"], line["content"], line["position"]) == ("m-1", "contact", HINDI, 1)


async def test_a_message_sent_again_after_a_reconnection_is_one(world: ChatWorld):
    for replica in (0, 1, 0):
        async with world.client(replica=replica) as tab:
            await tab.send(type="message", id="m-1", content=HER_PROMISE)
            await tab.next("status", id="m-1")
    async with world.client() as tab:
        await tab.send(type="message", id="m-2", content="Bye")
        await tab.lines(2)
        assert [line["id"] for line in tab.said] == ["m-1", "m-2"]
    assert len(await world.heard()) == 2


async def test_another_message_under_an_id_that_was_used_is_refused_and_not_called_stored(world: ChatWorld):
    async with world.client() as tab:
        await tab.send(type="message", id="m-1", content="hello")
        await tab.next("status", id="m-1")
    async with world.client() as tab:
        await tab.send(type="message", id="m-1", content="STOP")
        assert (await tab.next("error", id="m-1"))["code"] == "malformed"
        await tab.send(type="message", id="m-1", content="hello")
        await tab.next("status", id="m-1")
    assert [fact.event.text for fact in await world.heard()] == ["hello"]


async def test_messages_without_an_id_are_each_their_own(world: ChatWorld):
    async with world.client() as tab:
        await tab.send(type="message", content="haan")
        await tab.send(type="message", content="haan")
        await tab.lines(2)
        assert len({line["id"] for line in tab.said}) == 2


async def test_the_same_id_of_two_contacts_is_two_messages(world: ChatWorld):
    for contact in (PRIYA, "c_124"):
        async with world.client(contact) as tab:
            await tab.send(type="message", id="m-1", content=f"I am {contact}")
            assert (await tab.next("message"))["content"] == f"I am {contact}"
    assert len(await world.heard()) == 2


async def test_whoever_comes_back_catches_up_from_what_was_seen_last(world: ChatWorld):
    for number in range(3):
        await world.say(f"line {number}")
    async with world.client() as tab:
        await tab.lines(3)
    for number in range(3, 6):
        await world.say(f"line {number}")
    await world.shown(6)
    async with world.client(replica=1, after=2) as tab:
        assert [line["content"] for line in await tab.lines(4)] == ["line 2", "line 3", "line 4", "line 5"]
        assert [line["position"] for line in tab.said] == [3, 4, 5, 6]
        assert (await tab.next("status"))["position"] == 6


async def test_hundreds_of_lines_are_caught_up_with_and_a_newcomer_gets_the_newest_fifty(world: ChatWorld):
    await world.history(230)
    async with world.client(after=0) as tab:
        assert [line["position"] for line in await tab.lines(230)] == list(range(1, 231))
    async with world.client() as tab:
        assert [line["position"] for line in await tab.lines(50)] == list(range(181, 231))
        assert (await tab.next("status"))["position"] == 230


async def test_a_client_that_has_seen_more_than_there_is_begins_anew(world: ChatWorld):
    await world.say("hello")
    await world.shown(1)
    async with world.client(after=900) as tab:
        assert (await tab.next("message"))["position"] == 1


async def test_delivered_and_read_are_told_when_the_client_says_so(world: ChatWorld):
    intent = await world.say("When will you pay?")
    async with world.client() as tab:
        line = await tab.next("message")
        assert "delivered" not in await world.told(intent, "accepted")
        await tab.send(type="ack", position=line["position"])
        assert await world.told(intent, "delivered") == ["accepted", "delivered"]
        await tab.send(type="read", position=line["position"])
        assert await world.told(intent, "read") == ["accepted", "delivered", "read"]


async def test_what_was_seen_before_the_connection_broke_is_delivered(world: ChatWorld):
    intent = await world.say("When will you pay?")
    async with world.client() as tab:
        await tab.next("message")
    async with world.client(after=1):
        assert await world.told(intent, "delivered") == ["accepted", "delivered"]


async def test_two_tabs_tell_one_delivery(world: ChatWorld):
    async with world.client() as one, world.client(replica=1) as other:
        intent = await world.say("hello")
        for tab in (one, other):
            line = await tab.next("message")
            await tab.send(type="ack", position=line["position"])
            await tab.send(type="ping")
        for tab in (one, other):
            await tab.next("pong")
        assert await world.told(intent, "delivered") == ["accepted", "delivered"]


async def test_nobody_has_delivered_what_lies_beyond_the_last_line(world: ChatWorld):
    async with world.client() as tab:
        await tab.send(type="ack", position=10**6)
        intent = await world.say("hello")
        await tab.next("message")
        await tab.send(type="ping")
        await tab.next("pong")
        assert await world.told(intent, "accepted") == ["accepted"]


async def test_choices_are_offered_and_the_pressed_one_comes_back(world: ChatWorld):
    body = Body(
        text="Pay now?", choices=[Choice(id="yes", title="Haan"), Choice(id="no", title="Nahi", description="later")]
    )
    intent = await world.say("", body=body)
    async with world.client() as tab:
        line = await tab.next("message")
        assert line["choices"] == [
            {"id": "yes", "title": "Haan"},
            {"id": "no", "title": "Nahi", "description": "later"},
        ]
        await tab.send(type="message", content="Haan", choice="yes", reply_to=line["id"])
        await tab.next("status", status="stored")
    [fact] = await world.heard()
    assert (fact.event.choice, fact.event.reply_to, fact.event.kind) == ("yes", str(intent.id), "choice")


async def test_operators_speak_under_their_own_role_and_are_seen_to_come_and_go(world: ChatWorld):
    async with world.client() as tab:
        await tab.next("status")
        await world.say("A person here", purpose="operator", then=[TakenOver(operator="anil")])
        frames = [await tab.next(), await tab.next()]
        assert {frame["type"] for frame in frames} == {"presence", "message"}
        assert tab.said[0]["role"] == "operator"
        await world.say("Over to the assistant", purpose="operator", then=[Released(operator="anil")])
        assert await tab.next("presence") == {"type": "presence", "who": "operator", "there": False}


async def test_a_withheld_message_is_no_line_and_its_draft_is_retracted(world: ChatWorld):
    async with world.client() as tab:
        await tab.next("status")
        stop = GateClosed(scope=f"contact:{PRIYA}", reason="stop", lasting=True)
        withheld = await world.say("too late", gates=[f"contact:{PRIYA}"], then=[stop], draft="turn-1")
        assert await world.told(withheld, "withheld") == ["withheld"]
        assert await tab.next() == {"type": "retract", "id": "turn-1"}
        await world.say("something else")
        assert (await tab.next())["position"] == 1


async def test_drafts_and_typing_reach_whoever_is_there_and_the_message_names_its_draft(world: ChatWorld):
    subject = chat.to_contact(TENANT, PRIYA)
    async with world.client() as one, world.client(replica=1) as other, world.client("c_124") as stranger:
        for tab in (one, other, stranger):
            await tab.next("status")

        async def shown() -> bool:
            await world.bus.signal(subject, chat.write(chat.Typing()))
            for tab in (one, other):
                try:
                    async with asyncio.timeout(0.2):
                        assert await tab.next() == {"type": "typing"}
                except TimeoutError:
                    return False
            return True

        await until(shown)
        for words in ("Dhany", "Dhanyavaad"):
            await world.bus.signal(subject, chat.write(chat.Drafted(id="turn-1", content=words)))
            await world.bus.flush()
            for tab in (one, other):
                assert await tab.next("draft") == {"type": "draft", "id": "turn-1", "content": words}
        await world.say("Dhanyavaad", draft="turn-1")
        for tab in (one, other):
            assert (await tab.next("message"))["draft"] == "turn-1"
        await world.say("…", then=[DraftDropped(turn="turn-2", reason="moved_on")])
        for tab in (one, other):
            assert await tab.next("retract") == {"type": "retract", "id": "turn-2"}
        await stranger.send(type="ping")
        assert [frame["type"] for frame in [await stranger.next()]] == ["pong"]


async def test_operators_hear_that_the_contact_is_there_and_types(world: ChatWorld):
    heard: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
    await world.bus.listen("sig.chat.in.>", lambda subject, body: heard.put_nowait((subject, body)))
    await world.bus.flush()
    async with world.client() as tab:
        subject, body = await asyncio.wait_for(heard.get(), 60)
        assert subject == chat.from_contact(TENANT, PRIYA)
        frame = chat.passing(body)
        assert isinstance(frame, chat.Presence)
        assert (frame.who, frame.there) == ("contact", True)
        await tab.send(type="typing")
        _, body = await asyncio.wait_for(heard.get(), 60)
        assert body == b'{"type":"typing"}'
    _, body = await asyncio.wait_for(heard.get(), 60)
    gone = chat.passing(body)
    assert isinstance(gone, chat.Presence)
    assert not gone.there


NONSENSE: list[tuple[str | bytes, str]] = [
    ("nonsense", "malformed"),
    ("[]", "malformed"),
    ('{"type": "message"}', "malformed"),
    ('{"type": "message", "content": "  "}', "malformed"),
    ('{"type": "message", "content": "a\\u0000b"}', "malformed"),
    ('{"type": "message", "content": 7}', "malformed"),
    ('{"type": "delete"}', "malformed"),
    ('{"type": "ack", "position": -1}', "malformed"),
    ('{"type": "message", "content": "' + "x" * 4001 + '"}', "malformed"),
    ('{"type": "message", "content": "' + "x" * 20_000 + '"}', "too_large"),
    (b"\xff\xfe", "malformed"),
    ("[" * 10_000, "malformed"),
]


async def test_what_cannot_be_meant_is_answered_and_not_stored(world: ChatWorld):
    async with world.client() as tab:
        for raw, code in NONSENSE:
            await tab.socket.send(raw)
            error = await tab.next("error")
            assert (error["code"], bool(error["detail"])) == (code, True)
        await tab.send(type="message", id="m-1", content="still here")
        await tab.next("status", id="m-1")
    assert len(await world.heard()) == 1


async def test_whoever_sends_too_fast_is_asked_to_slow_down_and_can_send_it_again(world: ChatWorld):
    async with world.client() as tab:
        numbers = count()

        async def too_fast() -> Frame | None:
            for _ in range(25):  # a message itself may take so long that the next is allowed
                await tab.send(type="typing")
            id = f"m-{next(numbers)}"
            await tab.send(type="message", id=id, content="hurry")
            frame = await tab.next(id=id)
            return frame if frame["type"] == "error" else None

        refused = await until(too_fast)
        assert refused is not None
        assert refused["code"] == "slow_down"

        async def stored() -> bool:
            await tab.send(type="message", id=refused["id"], content="hurry")
            frame = await tab.next(id=refused["id"])
            return bool(frame["type"] != "error")

        await until(stored)


async def test_a_rollout_tells_the_clients_to_reconnect(world: ChatWorld):
    async with world.client() as tab:
        await tab.next("status")
        drain = world.apps[0].drain
        assert drain is not None
        drain()
        assert await tab.closed() == chat.RESTART
    await world.say("meanwhile")
    async with world.client(replica=1, after=0) as tab:
        assert (await tab.next("message"))["content"] == "meanwhile"


async def test_a_slow_client_is_told_to_come_back_and_loses_nothing(world: ChatWorld, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("services.gateways.chat.room.SLOW_S", 0.5)
    lines = 600  # 7 MB: more than the buffers of the two kernels take
    await world.history(lines, "ह" * 3900)
    host, _, port = world.origins[0].removeprefix("http://").partition(":")
    small = sockets.socket()
    small.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
    small.setblocking(False)
    await asyncio.get_running_loop().sock_connect(small, (host, int(port)))
    async with world.client(after=0, sock=small, max_queue=1) as slow:

        async def told_to_leave() -> bool:
            text = (await _metrics(world)).splitlines()
            return any(line.startswith('converse_chat_closed_total{code="4408"}') for line in text)

        await until(told_to_leave)
        assert await slow.closed() == chat.TOO_SLOW
        seen = slow.said[-1]["position"]
    monkeypatch.undo()  # who comes back reads as fast as this machine can
    assert 0 < seen < lines
    async with world.client(after=seen) as tab:
        assert [line["position"] for line in await tab.lines(lines - seen)] == list(range(seen + 1, lines + 1))


async def _metrics(world: ChatWorld) -> str:
    async with httpx.AsyncClient() as client:
        return (await client.get(f"{world.origins[0]}/metrics")).text
