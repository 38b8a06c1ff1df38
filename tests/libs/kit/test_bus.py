"""The bus: every right is as small as it can be, and no error is silent."""

import asyncio
import json
import os
import signal

import pytest
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError
from nats.errors import TimeoutError as NatsTimeout
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from libs.kit import bus as buses
from libs.kit import nats_config
from libs.kit.bus import Bus, BusAway
from libs.kit.embedded import NatsServer
from tests.libs.kit.jetstream import CONSUMER, PASSWORDS, USERS, until, within
from tests.libs.kit.street import Street


@pytest.fixture
async def server(tmp_path):
    async with NatsServer(tmp_path / "nats", config=nats_config.authorization(USERS, PASSWORDS)) as server:
        yield server


@pytest.fixture
async def bus_of(server):
    opened: list[Bus] = []

    async def bus(name: str, password: str | None = None) -> Bus:
        opened.append(await Bus.connect(server.url, name=name, user=name, password=password or PASSWORDS[name]))
        return opened[-1]

    yield bus
    for one in opened:
        await one.close()


FORBIDDEN_TO_PUBLISH = [
    pytest.param("service", "ev.0.default.ask.asked.v1", id="a fact"),
    pytest.param("service", "sig.head.0", id="a head"),
    pytest.param("service", "$JS.API.STREAM.DELETE.EV_0", id="delete the stream"),
    pytest.param("service", "$JS.API.STREAM.PURGE.EV_0", id="purge the stream"),
    pytest.param("service", "$JS.API.STREAM.MSG.DELETE.EV_0", id="delete a message"),
    pytest.param("service", "$JS.API.STREAM.CREATE.MINE", id="make a stream"),
    pytest.param("service", f"$JS.API.CONSUMER.CREATE.EV_0.{CONSUMER}", id="make its consumer"),
    pytest.param("service", f"$JS.API.CONSUMER.DELETE.EV_0.{CONSUMER}", id="delete its consumer"),
    pytest.param("service", f"$JS.API.CONSUMER.INFO.EV_0.{CONSUMER}", id="inspect its consumer"),
    pytest.param("service", "$JS.API.CONSUMER.MSG.NEXT.EV_0.other", id="pull another's consumer"),
    pytest.param("service", "$JS.API.CONSUMER.RESET.EV_0.other", id="reset another's consumer"),
    pytest.param("service", "ask.consumer.0.other", id="ask for another's consumer"),
    pytest.param("stranger", "sig.chat.1", id="a signal that is not its"),
    pytest.param("relay", "sig.chat.1", id="the relay chats"),
]

FORBIDDEN_TO_HEAR = [
    pytest.param("service", "ev.>", id="facts past JetStream"),
    pytest.param("service", "_INBOX_stranger.>", id="another's inbox"),
    pytest.param("service", "_INBOX.>", id="the common inbox"),
    pytest.param("service", "ask.consumer.0.*", id="what others ask"),
    pytest.param("stranger", "sig.chat.>", id="chats"),
    pytest.param("relay", "_INBOX_service.>", id="the relay in an inbox"),
]


@pytest.mark.parametrize(("name", "subject"), FORBIDDEN_TO_PUBLISH)
async def test_a_forbidden_message_is_refused_and_reported(bus_of, name, subject):
    bus = await bus_of(name)
    await bus.publish(subject, b"")
    await within(until(lambda: bus.errors))
    assert f'permissions violation for publish to "{subject.lower()}"' in bus.errors[0].lower()


@pytest.mark.parametrize(("name", "subject"), FORBIDDEN_TO_HEAR)
async def test_a_forbidden_subscription_is_refused_and_reported(bus_of, name, subject):
    bus = await bus_of(name)
    await bus.take(subject, lambda data, headers: None)
    await within(until(lambda: bus.errors))
    assert "permissions violation for subscription" in bus.errors[0].lower()


async def test_a_service_may_pull_and_reset_its_own_consumer(bus_of):
    relay, service = await bus_of("relay"), await bus_of("service")
    await relay.jetstream.add_stream(name="EV_0", subjects=["ev.0.>"])
    await relay.jetstream.add_consumer("EV_0", durable_name=CONSUMER, ack_policy="none")
    await relay.jetstream.publish("ev.0.default.ask.asked.v1", b"1")
    await service.jetstream.reset_consumer("EV_0", CONSUMER, seq=1)
    inbox = service.new_inbox()
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    await service.take(inbox, lambda data, headers: heard.put_nowait(data))
    body = json.dumps({"batch": 1, "expires": 10**10}).encode()
    await service.publish(f"$JS.API.CONSUMER.MSG.NEXT.EV_0.{CONSUMER}", body, reply=inbox)
    assert await within(heard.get()) == b"1"
    assert service.errors == []


async def test_only_the_relay_is_answered_by_and_answers(bus_of):
    relay, service = await bus_of("relay"), await bus_of("service")

    async def reply(subject: str, body: bytes) -> bytes:
        return subject.encode() + b" " + body

    with pytest.raises((NoRespondersError, NatsTimeout)):
        await service.request(f"ask.consumer.0.{CONSUMER}", b"?")
    await relay.answer("ask.consumer.0.*", reply)
    await relay.flush()
    answer = await service.request(f"ask.consumer.0.{CONSUMER}", b"?", timeout=20)
    assert answer == f"ask.consumer.0.{CONSUMER} ?".encode()


async def test_who_listened_before_a_flush_is_heard_after_it(bus_of):
    sender, listener = await bus_of("service"), await bus_of("service")
    for number in range(200):
        heard: asyncio.Queue[bytes] = asyncio.Queue()
        await listener.listen(f"sig.chat.{number}", lambda _, body, heard=heard: heard.put_nowait(body))
        await listener.flush()
        await sender.signal(f"sig.chat.{number}", b"typing")
        assert await within(heard.get()) == b"typing"


async def test_a_flush_that_was_broken_off_leaves_the_bus_hearing(server):
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    async with Street.to(server.url) as street:
        bus = await Bus.connect(street.url, name="service", user="service", password="s")
        await bus.listen("sig.chat.1", lambda _, body: heard.put_nowait(body))
        street.block(requests=False)
        flushing = asyncio.create_task(bus.flush())
        await within(until(lambda: bus._client._pongs))
        flushing.cancel()
        await asyncio.gather(flushing, return_exceptions=True)
        street.open()
        await bus.flush()
        await bus.signal("sig.chat.1", b"typing")
        assert await within(heard.get()) == b"typing"
        await bus.close()


async def test_a_bus_parts_in_time_from_a_server_that_takes_nothing_more(server, monkeypatch):
    monkeypatch.setattr(buses, "PART_S", 0.2)
    async with Street.to(server.url) as street:
        bus = await Bus.connect(street.url, name="service", user="service", password="s")
        street.block()
        for _ in range(20):
            await bus.publish("sig.chat.1", bytes(1_000_000))
        await within(until(lambda: bus._client.pending_data_size == 0))  # the flusher waits for the socket from here on
        await within(bus.close())
        assert bus._client.is_closed


UNREADABLE = [
    pytest.param(b"PUB sig.chat.1 3\r\nbad\r\n", id="by who takes it"),
    pytest.param(b"PUB sig.chat.\xff 2\r\nhi\r\n", id="by nats-py"),
]


@pytest.mark.parametrize("frames", UNREADABLE)
async def test_what_cannot_be_read_is_reported_and_what_comes_after_it_heard(bus_of, frames):
    sender, listener = await bus_of("service"), await bus_of("service")
    heard: asyncio.Queue[int] = asyncio.Queue()
    await listener.take("sig.chat.1", lambda data, headers: heard.put_nowait(int(data)))
    await listener.listen("sig.chat.*", lambda subject, body: None)
    await listener.flush()
    await sender.publish_raw(frames + b"PUB sig.chat.1 1\r\n2\r\n")
    assert await within(heard.get()) == 2
    [error] = listener.errors
    assert "invalid" in error


async def test_a_signal_is_heard_in_the_trace_that_it_was_sent_in(bus_of):
    sender, listener = await bus_of("service"), await bus_of("service")
    heard: asyncio.Queue[tuple[str, bytes, int]] = asyncio.Queue()

    def hear(subject: str, body: bytes) -> None:
        heard.put_nowait((subject, body, trace.get_current_span().get_span_context().trace_id))

    await listener.listen("sig.chat.>", hear)
    await listener.flush()
    span = NonRecordingSpan(SpanContext(7 << 64, 8, is_remote=False, trace_flags=TraceFlags(1)))
    with trace.use_span(span):
        await sender.signal("sig.chat.1", b"typing")
    assert await within(heard.get()) == ("sig.chat.1", b"typing", 7 << 64)


async def test_it_comes_back_when_nats_does_and_drops_signals_meanwhile(server, bus_of):
    bus = await bus_of("service")
    changes: asyncio.Queue[bool] = asyncio.Queue()
    bus.watch(changes.put_nowait)
    await server.kill()
    assert await within(changes.get()) is False
    await bus.signal("sig.chat.1", b"lost")
    with pytest.raises(BusAway):
        await bus.publish("sig.chat.1", b"refused")
    await server.start()
    assert await within(changes.get()) is True
    assert bus.connected


CLOSED_FOR_GOOD = [
    pytest.param(b"NONSENSE\r\n", "unknown protocol operation", id="a protocol fault"),
    pytest.param(
        b"PUB sig.chat.1 3000000\r\n" + bytes(3_000_000) + b"\r\n", "maximum payload violation", id="a body too large"
    ),
]


def times_made_anew(name: str) -> float:
    return REGISTRY.get_sample_value("converse_bus_made_anew_total", {"bus": name}) or 0.0


@pytest.mark.parametrize(("frames", "reason"), CLOSED_FOR_GOOD)
async def test_what_makes_the_client_give_up_for_good_is_noticed_and_everything_is_heard_again(bus_of, frames, reason):
    bus, sender = await bus_of("service"), await bus_of("service")
    changes: asyncio.Queue[bool] = asyncio.Queue()
    taken: asyncio.Queue[bytes] = asyncio.Queue()
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    bus.watch(changes.put_nowait)
    await bus.take("sig.chat.1", lambda data, headers: taken.put_nowait(data))
    await bus.listen("sig.chat.2", lambda subject, body: heard.put_nowait(body))
    not_wanted_any_more = await bus.take("sig.chat.1", lambda data, headers: taken.put_nowait(b"left"))
    await not_wanted_any_more()
    gave_up, before = bus._client, times_made_anew("service")
    with capture_logs() as logs:
        await bus.publish_raw(frames)
        assert await within(changes.get()) is False
        assert await within(changes.get()) is True
    assert gave_up.is_closed
    assert times_made_anew("service") == before + 1
    [said] = [entry for entry in logs if entry["event"] == buses.GAVE_UP]
    assert reason in said["reason"]
    assert (bus.connected, bus.health()) == (True, "ok")
    await bus.flush()
    await sender.signal("sig.chat.1", b"one")
    await sender.signal("sig.chat.2", b"two")
    assert (await within(taken.get()), await within(heard.get())) == (b"one", b"two")


async def test_the_relay_is_asked_again_after_its_connection_was_made_anew(bus_of):
    relay, service = await bus_of("relay"), await bus_of("service")

    async def reply(subject: str, body: bytes) -> bytes:
        return body.upper()

    await relay.answer("ask.consumer.0.*", reply)
    changes: asyncio.Queue[bool] = asyncio.Queue()
    relay.watch(changes.put_nowait)
    await relay.publish_raw(b"NONSENSE\r\n")
    assert [await within(changes.get()), await within(changes.get())] == [False, True]
    await relay.flush()
    assert await service.request(f"ask.consumer.0.{CONSUMER}", b"who", timeout=20) == b"WHO"


async def test_a_password_that_is_changed_under_it_is_told_and_waited_for(server, bus_of):
    bus = await bus_of("service")
    changes: asyncio.Queue[bool] = asyncio.Queue()
    bus.watch(changes.put_nowait)
    file = server.folder / "nats.conf"
    right = file.read_text()
    file.write_text(right.replace('password: "s"', 'password: "changed"'))
    os.kill(server.pid, signal.SIGHUP)
    assert await within(changes.get()) is False
    await within(until(lambda: bus.health().startswith("refused by nats")))
    assert "is the password of the user service right?" in bus.health()
    file.write_text(right)
    os.kill(server.pid, signal.SIGHUP)
    assert await within(changes.get()) is True
    assert bus.health() == "ok"


async def test_a_client_that_does_not_find_back_is_replaced(server, bus_of, monkeypatch):
    """As where nats-py's own task of reconnecting has died: it says nothing of it."""
    monkeypatch.setattr(buses, "FOUND_BACK_S", 0.2)
    bus = await bus_of("service")
    lost = bus._client
    lost._status = Client.RECONNECTING
    await within(until(lambda: bus._client is not lost and bus.connected))
    assert lost.is_closed
    await bus.flush()


async def test_an_address_that_is_none_is_refused_at_once():
    with pytest.raises((ValueError, NatsError)):
        await within(Bus.connect("nats://[oops", name="service"))


async def test_health_tells_never_connected_from_away(server, bus_of):
    bus = await bus_of("service")
    changes: asyncio.Queue[bool] = asyncio.Queue()
    bus.watch(changes.put_nowait)
    await server.kill()
    assert await within(changes.get()) is False
    assert bus.health() == "ok: nats is away, the log is read instead"
    never = await Bus.connect(server.url, name="service", user="service", password="s", patience=0.05)
    assert never.health().startswith("not connected to nats yet: ")
    await never.close()


async def test_between_the_loss_and_the_word_of_it_nobody_is_told_that_nats_is_there(bus_of):
    """Who then asks again at once would keep the word from ever being said: it needs the loop."""
    bus = await bus_of("service")
    bus._client._status = Client.RECONNECTING
    waiting = asyncio.create_task(bus.until_connected())
    await asyncio.wait([waiting], timeout=0.1)
    assert not waiting.done()
    bus._client._status = Client.CONNECTED
    await within(waiting)


async def test_a_bus_is_handed_out_while_nats_is_still_away(server):
    url = server.url
    await server.kill()
    bus = await Bus.connect(url, name="service", user="service", password="s", patience=0.05)
    assert not bus.connected
    await server.start()
    await within(bus.until_connected())
    await bus.close()


def test_the_shipped_users_have_no_right_to_send_facts_but_the_relay():
    for user in nats_config.users():
        assert any(right.startswith("ev.") for right in user.may_publish) == (user.name == "relay")
        assert any("API.>" in right for right in user.may_publish) == (user.name == "relay")
        assert user.may_subscribe[0] == f"_INBOX_{user.name}.>"


async def test_the_shipped_configuration_is_what_a_server_accepts(tmp_path):
    from libs.kit.embedded_nats import find_nats_server

    users = nats_config.users()
    file = tmp_path / "nats.conf"
    file.write_text(nats_config.render(users, nats_config.passwords(users), store=tmp_path, ports_file_dir=tmp_path))
    process = await asyncio.create_subprocess_exec(
        find_nats_server(), "-t", "-c", file, stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL
    )
    _, said = await process.communicate()
    assert process.returncode == 0, said.decode()
    assert "sync_interval: 1s" in file.read_text()


def test_production_passwords_come_from_the_servers_environment():
    users = nats_config.users()
    text = nats_config.authorization(users, nats_config.from_environment(users))
    assert 'user: "backend-sync", password: $NATS_PASSWORD_BACKEND_SYNC' in text
