"""The system under test: embedded servers, and each service as a process of its own on a port of its own."""

import asyncio
import base64
import os
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import httpx

from events.base import Cause
from libs.config.load import load_bundle
from libs.kit import bundles, http, ids, nats_config, postgres
from libs.kit.clock import Clock
from libs.kit.crypto import master_key
from libs.kit.embedded import NatsServer, PostgresServer
from libs.kit.embedded_process import free_port
from libs.kit.migrate import migrate
from libs.kit.store import Store
from tests.chaos.supervised import REPOSITORY, Service

TENANT = "default"
T = TypeVar("T")
READY_S = 120.0
AWAY_S = 60.0
"""How long Postgres may be away before the test itself gives up."""
OUTSIDE_S = 120.0
"""No fault touches the emulators: where they take longer than this, the machine is too busy to tell anything."""
RETRY_S = 0.1

POLICY = """\
# The shipped policy without what would make a test wait: hours, gaps, attempts, holidays.
policy:
  timezone: Asia/Kolkata
  hours:
    whatsapp: {from: "00:00", to: "24:00"}
    voice: {from: "00:00", to: "24:00"}
    email: {from: "00:00", to: "24:00"}
  consent: {voice: implied, whatsapp: implied, email: implied}
  attempts: {per_day: 1000, per_matter: 1000}
  minimum_gap_minutes: 0
  no_reply_minutes: 1440
"""


@dataclass(slots=True)
class House:
    """Everything that runs, and the test's own way into the log."""

    folder: Path
    postgres: PostgresServer
    nats: NatsServer
    nats_passwords: Mapping[str, str] = field(repr=False)
    services: dict[str, Service]
    outside: Service
    clock: Clock
    pool: asyncpg.Pool
    client: httpx.AsyncClient
    timeout: timedelta

    @property
    def lease(self) -> timedelta:
        """The longest lease of a gateway's or the ERP's worker."""
        return self.timeout * 2.5

    def nats_url(self, user: str) -> str:
        return f"nats://{user}:{self.nats_passwords[user]}@127.0.0.1:{self.nats.port}"

    async def fetch(self, sql: str, *args: Any) -> list[asyncpg.Record]:
        """Rows, as soon as Postgres answers. Raises TimeoutError when it does not come back."""
        rows: list[asyncpg.Record] = await self._once_it_answers(lambda: self.pool.fetch(sql, *args, timeout=30))
        return rows

    async def value(self, sql: str, *args: Any) -> Any:
        return (await self.fetch(sql, *args))[0][0]

    async def advance(self, by: timedelta) -> None:
        """Move business time, as soon as Postgres answers. Raises TimeoutError when it does not come back."""
        await self._once_it_answers(lambda: self.clock.advance(by))

    async def _once_it_answers(self, ask: Callable[[], Awaitable[T]]) -> T:
        deadline = time.monotonic() + AWAY_S
        while True:
            try:
                return await ask()
            except postgres.AWAY:
                if time.monotonic() > deadline:
                    raise
            await asyncio.sleep(RETRY_S)

    async def ask_outside(self, path: str) -> Any:
        answer = await self.client.get(self.outside.origin + path, timeout=OUTSIDE_S)
        answer.raise_for_status()
        return answer.json()

    async def tell_outside(self, method: str, path: str, body: Any) -> Any:
        answer = await self.client.request(method, self.outside.origin + path, json=body, timeout=OUTSIDE_S)
        answer.raise_for_status()
        return answer.json()

    async def until_ready(self, names: Sequence[str] = ()) -> None:
        """Wait until each of these services (all: no names) says that it can work. Raises TimeoutError."""
        deadline = time.monotonic() + READY_S
        for name in names or self.services:
            service = self.services[name]
            while not await self._is_ready(service):
                if time.monotonic() > deadline:
                    raise TimeoutError(f"{name} was not ready after {READY_S:.0f} s:\n{service.tail()}")
                await asyncio.sleep(RETRY_S)

    async def _is_ready(self, service: Service) -> bool:
        try:
            return (await self.client.get(f"{service.origin}/health/ready", timeout=3.0)).status_code == 200
        except httpx.HTTPError:
            return False

    def crashes(self) -> list[str]:
        """Loops that failed for another reason than that Postgres was away."""
        return [told for service in self.services.values() for told in service.crashes()]

    async def watch_over(self) -> None:
        """Start again whatever ended by itself, until cancelled."""
        while True:
            for service in self.services.values():
                if service.has_fallen:
                    await service.kill()  # buries it
                    service.start()
            await asyncio.sleep(0.5)


def _roster(folder: Path, environment: Mapping[str, str], nats_urls: Mapping[str, str]) -> dict[str, Service]:
    """The services, two of what has standbys or shares a ledger; NATS for those that are its users."""
    wanted: list[tuple[str, str, Sequence[str]]] = [
        ("relay", "relay", ["services.relay"]),
        ("ingest", "ingest", ["services.ingest"]),
        ("rules", "rules", ["services.rules"]),
    ]
    if (REPOSITORY / "services" / "console" / "__main__.py").exists():
        wanted.append(("console", "console", ["services.console"]))
    for name in ("orchestrator", "gateways", "backend-sync"):
        wanted += [(f"{name}-{replica}", name, ["tests.chaos.service", name]) for replica in (1, 2)]
    return {
        name: Service(
            name,
            user,
            command,
            free_port(),
            folder,
            environment={**environment, **({"CONVERSE_NATS_URL": nats_urls[user]} if user in nats_urls else {})},
        )
        for name, user, command in wanted
    }


def relaxed_bundle(folder: Path) -> Path:
    """The shipped bundle with a policy that never makes a contact wait."""
    copy = folder / "bundle"
    shutil.copytree(REPOSITORY / "infra" / "config", copy)
    (copy / "policy.yaml").write_text(POLICY)
    return copy


async def _publish(url: str, master: bytes, folder: Path) -> None:
    loaded = load_bundle(relaxed_bundle(folder), {}, "development")
    assert loaded.bundle is not None, loaded.findings
    async with Store.open(url, master=master, name="chaos-publish", connections=2) as store:
        cause = ids.fresh()
        now = (await store.pool.fetchval("SELECT now() + ahead FROM ops.business_clock")).astimezone()
        await bundles.publish(
            store, TENANT, loaded.bundle, Cause(id=cause, correlation_id=cause, occurred_at=now, source="chaos")
        )


@asynccontextmanager
async def open_house(folder: Path, *, timeout: timedelta, tell: Callable[[str], None]) -> AsyncIterator[House]:
    """Start everything in `folder`; `timeout` bounds a call to a provider."""
    users = nats_config.users()
    passwords = nats_config.passwords(users)
    secret = base64.b64encode(secrets.token_bytes(32)).decode()
    logs = folder / "logs"
    logs.mkdir(parents=True)
    async with AsyncExitStack() as stack:
        tell("starting PostgreSQL and NATS")
        database = await stack.enter_async_context(PostgresServer(folder / "postgres"))
        nats = await stack.enter_async_context(
            NatsServer(folder / "nats", config=nats_config.authorization(users, passwords))
        )
        tell("migrating and publishing")
        await migrate(database.url)
        await _publish(database.url, master_key(secret), folder)
        store = await stack.enter_async_context(
            Store.open(database.url, master=master_key(secret), name="chaos", connections=4)
        )
        clock = await stack.enter_async_context(Clock.open(store.pool, store.listener))
        client = await stack.enter_async_context(http.client(timeout=timedelta(seconds=5)))
        environment = _environment(database.url, secret, timeout)
        outside_port = free_port()
        for key, path in (("WHATSAPP", "meta"), ("BACKEND", "erp"), ("LLM", "anthropic")):
            environment[f"CONVERSE_SANDBOX_{key}_URL"] = f"http://127.0.0.1:{outside_port}/sandbox/{path}"
        urls = {user: f"nats://{user}:{password}@127.0.0.1:{nats.port}" for user, password in passwords.items()}
        services = _roster(logs, environment, urls)
        doors = [f"{each.origin}/webhooks/whatsapp" for each in services.values() if each.user == "gateways"]
        outside = Service(
            "outside",
            "",
            ["tests.chaos.outside"],
            outside_port,
            logs,
            environment={**environment, "CHAOS_DOORS": ",".join(doors)},
        )
        house = House(folder, database, nats, passwords, services, outside, clock, store.pool, client, timeout)
        tell("starting the services")
        for service in (outside, *services.values()):
            service.start()
            stack.push_async_callback(service.kill)
        await house.until_ready()
        watching = asyncio.create_task(house.watch_over(), name="watch-over")
        try:
            yield house
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching


def _environment(database_url: str, secret: str, timeout: timedelta) -> dict[str, str]:
    return {
        "PATH": os.environ.get("PATH", "/usr/bin:/bin"),
        "PYTHONUNBUFFERED": "1",
        "CONVERSE_DATABASE_URL": database_url,
        "CONVERSE_MASTER_KEY": secret,
        "CONVERSE_HOST": "127.0.0.1",
        "CONVERSE_PROFILE": "development",
        "CHAOS_TIMEOUT_S": str(timeout.total_seconds()),
    }
