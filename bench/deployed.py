"""The system under a bench: every service in a process of its own, or all of them in one, beside an outside that answers at once."""

import asyncio
import base64
import os
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

from bench.outside import APP_SECRET, PHONE_ID, Connection, Outside
from bench.relay import MASTER, ROOT, TENANT
from libs.kit import nats_config
from libs.kit.clock import Clock
from libs.kit.embedded import NatsServer, PostgresServer
from libs.kit.embedded_process import free_port
from libs.kit.migrate import migrate
from libs.kit.store import Store
from libs.testkit.nouns import MORNING
from services.cli.settings import SHIPPED_BUNDLE, Settings
from services.cli.system import checked_bundle, publish

START_S = 120.0


@dataclass(frozen=True, slots=True)
class Where:
    """A running system, as the ERP and Meta see it."""

    postgres: str
    outside: Outside
    token: str
    ingest_port: int


@asynccontextmanager
async def bench_store(url: str) -> AsyncIterator[tuple[Store, Clock]]:
    """The bench's own look at the log, and the business clock."""
    async with (
        Store.open(url, master=MASTER, name="bench", connections=2) as store,
        Clock.open(store.pool, store.listener) as clock,
    ):
        yield store, clock


@asynccontextmanager
async def deployed(folder: Path, services: Sequence[str]) -> AsyncIterator[Where]:
    """Every service in a process of its own, each with its own role and user."""
    users = nats_config.users()
    passwords = nats_config.passwords(users)
    async with AsyncExitStack() as stack:
        postgres = await stack.enter_async_context(PostgresServer(folder / "postgres"))
        await migrate(postgres.url)
        nats = NatsServer(folder / "nats", config=nats_config.authorization(users, passwords))
        await stack.enter_async_context(nats)
        outside, settings = await _outside(stack, folder)
        async with bench_store(postgres.url) as (store, clock):
            await clock.set(MORNING)
            await publish(store, clock, checked_bundle(settings))
        ports = dict(zip(services, free_ports(len(services)), strict=True))
        at_nats = urlsplit(nats.url).netloc
        for service in services:
            user = service.replace("_", "-")
            environment = {
                **settings.environment,
                "CONVERSE_DATABASE_URL": postgres.url,
                "CONVERSE_MASTER_KEY": base64.b64encode(MASTER).decode(),
                "CONVERSE_HOST": "127.0.0.1",
                "CONVERSE_PORT": str(ports[service]),
                "CONVERSE_PROFILE": "production",
            }
            if user in passwords:  # who hears nothing is no user of NATS
                environment["CONVERSE_NATS_URL"] = f"nats://{user}:{quote(passwords[user])}@{at_nats}"
            await stack.enter_async_context(started([f"services.{service}"], environment, folder / f"{service}.log"))
        for service in services:
            await ready(ports[service], folder / f"{service}.log")
        outside.webhook_port = ports["gateways"]
        yield Where(postgres.url, outside, await _token(postgres.url), ports["ingest"])


@asynccontextmanager
async def in_one_process(folder: Path) -> AsyncIterator[Where]:
    """`converse up` on servers that keep their data."""
    async with AsyncExitStack() as stack:
        postgres = await stack.enter_async_context(PostgresServer(folder / "postgres-up"))
        nats = await stack.enter_async_context(NatsServer(folder / "nats-up"))
        outside, settings = await _outside(stack, folder)
        [port] = free_ports(1)
        environment = {
            **settings.environment,
            "CONVERSE_DATABASE_URL": postgres.url,
            "CONVERSE_NATS_URL": nats.url,
            "CONVERSE_MASTER_KEY": base64.b64encode(MASTER).decode(),
            "CONVERSE_DATA": str(folder / "data"),
            "CONVERSE_CONFIG": str(settings.config),
            "CONVERSE_PORT": str(port),
        }
        await migrate(postgres.url)
        async with bench_store(postgres.url) as (_, clock):
            await clock.set(MORNING)
        await stack.enter_async_context(started(["services.cli", "up"], environment, folder / "up.log"))
        await ready(port, folder / "up.log")
        outside.webhook_port = port
        yield Where(postgres.url, outside, await _token(postgres.url), port)


async def _outside(stack: AsyncExitStack, folder: Path) -> tuple[Outside, Settings]:
    """The ERP and Meta, and the shipped bundle pointed at them."""
    outside = Outside(lambda: MORNING)
    port = await outside.start()
    stack.push_async_callback(outside.close)
    config = Path(tempfile.mkdtemp(prefix="bundle-", dir=folder))
    shutil.copytree(SHIPPED_BUNDLE, config, dirs_exist_ok=True)
    text = (config / "settings.yaml").read_text()
    origin = f"http://127.0.0.1:{port}"
    for anchor, line in (
        ("  type: rest", f"  base_url: {origin}/erp"),
        ("    provider: meta", f"    base_url: {origin}"),
    ):
        assert anchor in text, f"infra/config/settings.yaml has no line {anchor!r} any more"
        text = text.replace(anchor, f"{line}\n{anchor}", 1)
    (config / "settings.yaml").write_text(text)
    secret = secrets.token_hex(8)
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "BACKEND_API_TOKEN": secret,
        "CONVERSE_LLM_API_KEY": secret,
        "WHATSAPP_PHONE_ID": PHONE_ID,
        "WHATSAPP_ACCESS_TOKEN": secret,
        "WHATSAPP_VERIFY_TOKEN": secret,
        "WHATSAPP_APP_SECRET": APP_SECRET,
    }
    return outside, Settings(environment=environment, data=folder / "data", config=config)


def free_ports(number: int) -> list[int]:
    """Different ports of loopback that nobody listens on."""
    ports: set[int] = set()
    while len(ports) < number:
        ports.add(free_port())
    return list(ports)


@asynccontextmanager
async def started(module: Sequence[str], environment: Mapping[str, str], told: Path) -> AsyncIterator[int]:
    """A Python module in a process of its own; its output goes to `told`."""
    with told.open("wb") as output:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-m", *module, stdout=output, stderr=output, env=dict(environment), cwd=ROOT
        )
    try:
        yield child.pid
    finally:
        if child.returncode is None:
            child.terminate()
        await child.wait()


async def ready(port: int, told: Path) -> None:
    """Return once a service says that it can work. Raises TimeoutError with the end of what it told."""
    until = time.monotonic() + START_S
    said: object = "nothing"
    while time.monotonic() < until:
        connection = Connection("127.0.0.1", port)
        try:
            status, said = await connection.request("GET", "/health/ready")
            if status == 200:
                return
        except (OSError, EOFError) as error:  # not there yet, or the port goes over from who begins to who serves
            said = error
        finally:
            connection.close()
        await asyncio.sleep(0.2)
    raise TimeoutError(f"{told.stem} did not become ready: {said!r}\n{told.read_text(errors='replace')[-2000:]}")


async def _token(url: str) -> str:
    async with Store.open(url, master=MASTER, name="bench") as store:
        _, token = await store.tenants.create_key(TENANT, "bench", ["events:write"])
        return token
