"""The whole system as its neighbours see it: the ERP and Meta through their emulators, an operator through HTTP, and the log."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

import httpx

from libs.config.compile import compile_bundle
from libs.kit import http
from libs.kit.effect_sql import Ledger
from libs.kit.embedded_process import free_port
from libs.kit.serve import App, serve
from libs.testkit.nouns import MORNING, TENANT
from services.cli.settings import SHIPPED_BUNDLE, Settings
from services.cli.system import Surroundings, System, publish, surroundings, system
from tests.journeys.log import PATIENCE_S, Log
from tests.journeys.people import Person
from tests.libs.config.shipped import TEXTS


@dataclass
class Town:
    """A running system (`client`) and the emulators of everybody around it (`outside`)."""

    running: System
    where: Surroundings
    client: httpx.AsyncClient
    outside: httpx.AsyncClient
    log: Log
    settings: Settings
    _numbers: "count[int]" = field(default_factory=lambda: count(1))

    @property
    def origin(self) -> str:
        return self.running.origin

    @property
    def clock(self) -> Any:
        return self.running.clock

    async def post(self, path: str, body: Any = None, **options: Any) -> httpx.Response:
        """POST JSON, or `content=` raw bytes."""
        return (
            await self.client.post(path, json=body, **options)
            if body is not None
            else await self.client.post(path, **options)
        )

    async def told(self, path: str, body: Any) -> Any:
        """Tell an emulator something; it must agree."""
        answer = await self.outside.post(f"/_sandbox/{path}", json=body)
        assert answer.is_success, answer.text
        return answer.json()

    async def event(self, event_name: str, data: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        """The ERP says what happened."""
        answer = await self.post("/api/v1/events", {"event_name": event_name, "data": data, **more})
        assert answer.status_code == 202, answer.text
        told: dict[str, Any] = answer.json()
        return told

    async def somebody(
        self,
        *,
        consent: bool | Sequence[str] = True,
        known: bool = True,
        amount: int = 52400,
        channels: Sequence[str] = ("whatsapp",),
    ) -> Person:
        """A contact of its own with an invoice and an order; `channels` are those of which the ERP knows an address,
        `consent` whether (or on which of them) they have agreed to be written to.

        Not `known`: the ERP has never heard of it.
        """
        number = next(self._numbers)
        person = Person(self, number)
        if known:
            agreed = {"at": "2025-11-03T09:30:00Z", "evidence": "order form, box ticked"}
            willing = channels if consent is True else consent or ()
            addresses = [
                {
                    "channel": channel,
                    "address": person.addresses[channel],
                    "consent": agreed if channel in willing else None,
                }
                for channel in channels
            ]
            await self.told(
                "erp/contacts",
                {"id": person.id, "name": person.name, "organization": "Acme Corp", "channels": addresses},
            )
        if channels != ("whatsapp",):
            described = {"name": person.name, "addresses": person.addresses, "lines": []}
            answer = await self.outside.put(f"/_sandbox/contacts/{person.phone}/script", json=described)
            assert answer.is_success, answer.text
        invoice = {"id": person.invoice, "contact_id": person.id, "amount": amount, "due_date": "2026-01-30"}
        await self.told("erp/invoices", invoice)
        order = {
            "id": person.order,
            "contact_id": person.id,
            "status": "confirmed",
            "amount": amount,
            "promised_date": "2026-02-24",
        }
        await self.told("erp/orders", order)
        return person

    async def until_sent(self, person: Person) -> None:
        """Return once Meta has taken something for somebody, whether or not it has answered."""
        async with asyncio.timeout(PATIENCE_S):
            while not await person.received():
                await self.client.get("/health/live")

    async def shows(self, path: str, shown: Callable[[Any], bool] = bool, /, **query: Any) -> Any:
        """What a GET answers once it shows what is waited for: read models follow the log."""
        body: Any = None
        async with asyncio.timeout(PATIENCE_S):
            while body is None or not shown(body):
                answer = await self.client.get(path, params=query)
                body = answer.json() if answer.is_success else None
        return body

    async def writes(self, ending: str) -> list[dict[str, Any]]:
        """What the ERP took from us on paths that end so."""
        taken = (await self.outside.get("/_sandbox/erp/writes")).json()
        return [each for each in taken if each["path"].endswith(ending)]

    async def publishes(self, *, without: str) -> None:
        """The same bundle with a channel's kill switch thrown."""
        texts = dict(TEXTS)
        on = f"  {without}:\n    enabled: true"
        assert on in texts["settings.yaml"]
        texts["settings.yaml"] = texts["settings.yaml"].replace(on, on.replace("true", "false"))
        bundle = compile_bundle(texts, {}, "development").bundle
        assert bundle is not None
        assert await publish(self.running.store, self.clock, bundle)

    @asynccontextmanager
    async def held(self, ledger: Ledger = "gateways", account: str = "whatsapp") -> AsyncIterator[None]:
        """As long as the context lasts the account's breaker is open: what is asked for stays asked for."""
        pool = self.running.store.pool
        await pool.execute(
            f"INSERT INTO {ledger}.account (tenant, account, open_until) VALUES ($1, $2, 'infinity')"
            " ON CONFLICT (tenant, account) DO UPDATE SET open_until = 'infinity'",
            TENANT,
            account,
        )
        try:
            yield
        finally:
            await pool.execute(f"UPDATE {ledger}.account SET open_until = NULL WHERE account = $1", account)
            await pool.execute("SELECT pg_notify($1, '')", f"effects_{ledger}")


@asynccontextmanager
async def town_of(
    settings: Settings, *, start_at: datetime | None = MORNING, outside: httpx.AsyncClient | None = None
) -> AsyncIterator[Town]:
    """The system of `settings`, served on its port until the context ends; `outside`: emulators that run elsewhere."""
    async with (
        surroundings(settings, lambda _: None) as where,
        system(settings, where, start_at=start_at) as running,
        served(running.apps, settings.port),
        http.client(running.origin) as client,
        Log(running.store).watched() as log,
    ):
        yield Town(running, where, client, outside or client, log, settings)


@asynccontextmanager
async def served(apps: Sequence[App], port: int) -> AsyncIterator[None]:
    """Applications on a port of loopback."""
    ready = asyncio.Event()
    serving = asyncio.create_task(serve(apps, "127.0.0.1", port, on_ready=lambda _: ready.set()), name="serve")
    waiting = asyncio.create_task(ready.wait())
    await asyncio.wait([serving, waiting], return_when=asyncio.FIRST_COMPLETED)
    if serving.done():
        waiting.cancel()
        serving.result()
    try:
        yield
    finally:
        serving.cancel()
        await asyncio.wait([serving])


def settings_of(
    folder: Path,
    *,
    database_url: str | None,
    nats_url: str | None,
    config: Path = SHIPPED_BUNDLE,
    environment: Mapping[str, str] | None = None,
    profile: str = "development",
) -> Settings:
    """Settings as `converse up` would read them, on a free port."""
    return Settings(
        environment=dict(environment or {}),
        data=folder,
        config=config,
        database_url=database_url,
        nats_url=nats_url,
        profile=profile,
        port=free_port(),
    )
