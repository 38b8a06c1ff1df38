"""The whole system in one process: servers, migrations, bundle, and every service with connections of its own."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg

from events.base import Cause
from libs.config.bundle import Bundle
from libs.config.findings import Finding
from libs.config.load import load_bundle
from libs.kit import bundles, embedded, ids, nats_config
from libs.kit.bus import Bus
from libs.kit.clock import Clock
from libs.kit.crypto import master_key
from libs.kit.migrate import migrate
from libs.kit.process import hearing
from libs.kit.serve import App
from libs.kit.store import Store
from services.backend_sync import app as backend_sync
from services.backend_sync.settings import Settings as BackendSettings
from services.cli import voice, voice_door
from services.cli.room import room
from services.cli.settings import TENANT, Settings
from services.console import app as console
from services.console.settings import Settings as ConsoleSettings
from services.gateways import app as gateways
from services.gateways.settings import Settings as GatewaySettings
from services.ingest import app as ingest
from services.ingest.settings import Settings as IngestSettings
from services.orchestrator import app as orchestrator
from services.orchestrator.settings import Settings as OrchestratorSettings
from services.relay import app as relay
from services.relay.settings import Settings as RelaySettings
from services.rules import app as rules
from services.rules.settings import Settings as RulesSettings
from services.sandbox import app as sandbox
from services.sandbox import settings as sandbox_settings

Progress = Callable[[str], None]


class BundleRefused(Exception):
    """The configuration has errors; `findings` says where."""

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        super().__init__(f"the configuration has {sum(each.severity == 'error' for each in findings)} errors")
        self.findings = findings


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Where Postgres and NATS are, and how each service signs in."""

    database_url: str
    nats_url: str
    passwords: Mapping[str, str]
    master: bytes


@dataclass(frozen=True, slots=True)
class System:
    """The services, ready to be served; `store` and `clock` are the command line's own."""

    apps: list[App]
    store: Store
    clock: Clock
    bundle: Bundle
    origin: str


def checked_bundle(settings: Settings, folder: Path | None = None) -> Bundle:
    """The bundle of a folder, by default the configured one. Raises BundleRefused."""
    loaded = load_bundle(folder or settings.config, settings.environment, settings.profile)
    if loaded.bundle is None:
        raise BundleRefused(loaded.findings)
    return loaded.bundle


@asynccontextmanager
async def surroundings(settings: Settings, progress: Progress) -> AsyncIterator[Surroundings]:
    """The servers: those of the environment, else embedded ones that keep their data."""
    settings.data.mkdir(parents=True, exist_ok=True)
    users = nats_config.users()
    passwords = {} if settings.nats_url else nats_config.passwords(users)
    async with AsyncExitStack() as stack:
        progress("starting PostgreSQL" if settings.database_url is None else "using your PostgreSQL")
        database_url = await stack.enter_async_context(
            embedded.postgres(settings.database_url, settings.data / "postgres")
        )
        progress("starting NATS" if settings.nats_url is None else "using your NATS")
        nats_url = await stack.enter_async_context(
            embedded.nats(
                settings.nats_url,
                settings.data / "nats",
                config=nats_config.authorization(users, passwords) if passwords else None,
            )
        )
        if settings.database_url is not None:
            await _room(database_url, progress)
        applied = await migrate(database_url)
        progress(f"applied {len(applied)} migrations" if applied else "the schema is current")
        master = master_key(settings.master_key, settings.data / "master.key")
        yield Surroundings(database_url, nats_url, passwords, master)


async def _room(database_url: str, progress: Progress) -> None:
    """Say where a Postgres of one's own will run out of connections under load."""
    connection = await asyncpg.connect(database_url, timeout=10)
    try:
        found = await room(connection)
    finally:
        await connection.close()
    if found.advice:
        progress(f"careful, your PostgreSQL has {found}: {found.advice}")


@asynccontextmanager
async def system(
    settings: Settings, where: Surroundings, *, start_at: datetime | None = None, calls: bool = False
) -> AsyncIterator[System]:
    """Every service, wired. `start_at` moves the business clock first; `calls` starts voice-service beside, if it can."""
    bundle = checked_bundle(settings)
    origin = f"http://127.0.0.1:{settings.port}"
    async with AsyncExitStack() as stack:
        wiring = _Wiring(where, stack)
        own = await wiring.store("cli", role=None, connections=2)
        clock = await wiring.clock(own)
        if start_at is not None:
            await clock.set(start_at)
        await publish(own, clock, bundle)
        spoken = None
        if calls and voice.wanted(settings, bundle):
            emulators = sandbox.base_urls(origin)
            spoken = await stack.enter_async_context(voice.service(settings, where, emulators))
        off = frozenset() if spoken is not None else frozenset({voice.CHANNEL})
        apps = await _apps(settings, where, wiring, clock, bundle, origin, off)
        if spoken is not None:
            await spoken.ready()
            apps.append(await voice_door.door(spoken.host, spoken.port))
        yield System(apps, own, clock, bundle, origin)


async def publish(store: Store, clock: Clock, bundle: Bundle, tenant: str = TENANT) -> bool:
    """Let a bundle decide from here on; False when it does already."""
    cause_id: UUID = ids.fresh()
    cause = Cause(correlation_id=cause_id, occurred_at=clock.now(), source="cli", id=cause_id)
    return await bundles.publish(store, tenant, bundle, cause)


class _Wiring:
    """Connections of each service, closed together."""

    def __init__(self, where: Surroundings, stack: AsyncExitStack) -> None:
        self._where = where
        self._stack = stack

    async def store(self, service: str, *, role: str | None, connections: int = 6) -> Store:
        opened = Store.open(
            self._where.database_url, master=self._where.master, role=role, name=service, connections=connections
        )
        return await self._stack.enter_async_context(opened)

    async def clock(self, store: Store) -> Clock:
        return await self._stack.enter_async_context(Clock.open(store.pool, store.listener))

    async def bus(self, service: str) -> Bus:
        service = service.replace("_", "-")
        password = self._where.passwords.get(service)
        user = service if password else None
        bus = await Bus.connect(self._where.nats_url, name=service, user=user, password=password)
        self._stack.push_async_callback(bus.close)
        return bus

    async def kit(self, service: str) -> dict[str, Any]:
        """Store, bus and clock of a service, with its own role and user."""
        store = await self.store(service, role=f"converse_{service}")
        return {"store": store, "bus": await self.bus(service), "clock": await self.clock(store)}


async def _apps(
    settings: Settings,
    where: Surroundings,
    wiring: _Wiring,
    clock: Clock,
    bundle: Bundle,
    origin: str,
    off: frozenset[str],
) -> list[App]:
    environment = settings.environment
    emulators = sandbox.base_urls(origin)
    objects_url = environment.get("CONVERSE_OBJECTS_URL") or (settings.data / "objects").resolve().as_uri()

    async def hears(service: str, build: Callable[..., Awaitable[App]], own: Any) -> App:
        kit = await wiring.kit(service)
        return hearing(await build(own, **kit), kit["bus"])

    bus = await wiring.bus("relay")
    copies = await relay.build(RelaySettings(), database_url=where.database_url, bus=bus, clock=clock)
    store = await wiring.store("ingest", role="converse_ingest")
    takes = await ingest.build(IngestSettings(profile=settings.profile), store=store, clock=await wiring.clock(store))
    apps = [
        hearing(copies, bus),
        takes,
        await hears("rules", rules.build, RulesSettings()),
        await hears(
            "orchestrator",
            orchestrator.build,
            OrchestratorSettings(
                environment=environment, sandbox_url=emulators["llm"], profile=settings.profile, off=off
            ),
        ),
        await hears(
            "gateways",
            gateways.build,
            GatewaySettings(
                environment=environment,
                sandbox_urls=emulators,
                profile=settings.profile,
                origin=origin,
                objects_url=objects_url,
            ),
        ),
        await hears(
            "backend_sync",
            backend_sync.build,
            BackendSettings(environment=environment, sandbox_url=emulators["backend"]),
        ),
        await hears("console", console.build, ConsoleSettings(environment=environment, profile=settings.profile)),
    ]
    if settings.profile == "development":
        told = _told_to_the_sandbox(environment, bundle) | {
            "SANDBOX_CALLBACK_URL": f"{origin}/webhooks/whatsapp",
            "SANDBOX_SMS_CALLBACK_URL": f"{origin}/webhooks/sms",
            "SANDBOX_EMAIL_CALLBACK_URL": f"{origin}/webhooks/email",
            "SANDBOX_ORIGIN": origin,
            "SANDBOX_CHAT_URL": origin.replace("http", "ws", 1),
        }
        apps.append(sandbox.build(sandbox_settings.from_environment(told), now=clock.now))
    return apps


def _told_to_the_sandbox(environment: Mapping[str, str], bundle: Bundle) -> dict[str, str]:
    """The credentials by which the emulators know callers whom the bundle sends to them as live ones."""
    live = {
        "WHATSAPP_": bundle.channel_mode("whatsapp", environment) == "live",
        "CHAT_": bundle.channel_mode("chat", environment) == "live",
        "BACKEND_": bundle.backend_mode(environment) == "live",
    }
    return {
        name: value
        for name, value in environment.items()
        if any(name.startswith(prefix) for prefix, is_live in live.items() if is_live)
    }
