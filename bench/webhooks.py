"""WhatsApp webhooks a second that one gateways process takes, against a bare Litestar endpoint with one durable append."""

import asyncio
import hashlib
import hmac
import json
import os
import socket
import sys
import tempfile
from collections.abc import Callable
from datetime import timedelta
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

import uvicorn
import uvloop
from litestar import Litestar, Request, Response, post

from bench.ingest import CONNECTIONS, load, port_of, process, round_of
from bench.relay import MASTER, TENANT, say, show
from events.base import Cause, Draft
from events.inbound import Received
from libs.kit import ids, log
from libs.kit.bus import Bus
from libs.kit.clock import Clock
from libs.kit.embedded import NatsServer, PostgresServer
from libs.kit.migrate import migrate
from libs.kit.serve import serve
from libs.kit.store import Store
from services.cli.settings import SHIPPED_BUNDLE
from services.cli.settings import Settings as CliSettings
from services.cli.system import checked_bundle, publish
from services.gateways import app as gateways
from services.gateways.settings import WHATSAPP, Settings

Report = Callable[..., None]
"""`report(name, value, unit, bar=…, ok=…)`."""

ROUNDS = 5
SECONDS = 3.0
WARM_S = 2.0
RATIO = 0.4
ROLE = "converse_gateways"
MODULE = "bench.webhooks"
APP_SECRET = "sandbox-app-secret"  # noqa: S105 - what the gateways know the emulator by
WORDS = "Haan ji, hum 20 February tak poora payment kar denge, aap chinta mat kijiye. Dhanyavaad!"


async def run(report: Report) -> None:
    """Measure both endpoints in turn, each in a process of its own beside the load, and report the median round."""
    with tempfile.TemporaryDirectory(prefix="bench-webhooks-") as name:
        folder = Path(name)
        os.chmod(folder, 0o711)
        async with PostgresServer(folder / "postgres") as postgres, NatsServer(folder / "nats") as nats:
            await migrate(postgres.url)
            await _publish(postgres.url, folder)
            where = {"postgres": postgres.url, "nats": nats.url}
            async with (
                process("ours", where, MODULE) as ours,
                process("bare", where, MODULE) as bare,
                process("load", where, MODULE) as calls,
            ):
                ports = {"ours": await port_of(ours), "bare": await port_of(bare)}
                for port in ports.values():
                    await round_of(calls, port, WARM_S)
                rounds = [
                    {side: await round_of(calls, port, SECONDS) for side, port in ports.items()} for _ in range(ROUNDS)
                ]
    ratio = median(each["ours"]["rate"] / each["bare"]["rate"] for each in rounds)
    report(f"POST /webhooks/whatsapp, {CONNECTIONS} connections", median(e["ours"]["rate"] for e in rounds), "req/s")
    report("bare Litestar endpoint, one append", median(each["bare"]["rate"] for each in rounds), "req/s")
    report("ours against bare, one process each", ratio, "×", bar=f"≥ {RATIO:.2f}", ok=ratio >= RATIO)
    for part in ("p50", "p99"):
        report(f"… its {part}", median(each["ours"][part] for each in rounds), "ms")
        report(f"… {part} of the bare one", median(each["bare"][part] for each in rounds), "ms")
    report("the client's share of a core", median(each["ours"]["cpu"] for each in rounds), "")


async def _publish(url: str, folder: Path) -> None:
    """The shipped bundle decides; without credentials WhatsApp is the sandbox."""
    settings = CliSettings(environment={}, data=folder, config=SHIPPED_BUNDLE)
    async with Store.open(url, master=MASTER, name="bench") as store:
        await publish(store, Clock(), checked_bundle(settings))


async def ours(where: dict[str, str]) -> None:
    """Gateways as it is deployed: its own role, its reactor and workers beside the webhook."""
    settings = Settings(
        sandbox_urls={WHATSAPP: "http://127.0.0.1:9"}, profile="development", channels=frozenset({WHATSAPP})
    )
    bus = await Bus.connect(where["nats"], name="gateways")
    async with (
        Store.open(where["postgres"], master=MASTER, role=ROLE, name="gateways") as store,
        Clock.open(store.pool, store.listener) as clock,
    ):
        app = await gateways.build(settings, store=store, bus=bus, clock=clock, timeout=timedelta(seconds=5))
        await serve([app], port=0, on_ready=lambda port: say(str(port)))
    await bus.close()


async def bare(where: dict[str, str]) -> None:
    """The least that Litestar can do to keep a webhook: parse JSON, append, answer; served as libs/kit/serve.py does."""
    async with Store.open(where["postgres"], master=MASTER, role=ROLE, name="bare") as store:
        clock = Clock()

        @post("/webhooks/whatsapp", status_code=200)
        async def take(request: Request[Any, Any, Any]) -> Response[None]:
            said = (await request.json())["entry"][0]["changes"][0]["value"]["messages"][0]
            cause_id = ids.fresh()
            cause = Cause(correlation_id=cause_id, occurred_at=clock.now(), source="bare", id=cause_id)
            fact = Received(
                channel=WHATSAPP,
                account="106540352242922",
                digest="0" * 64,  # as long as ours
                sender="+" + said["from"],
                text=said["text"]["body"],
                provider_ref=said["id"],
                sender_name="Priya Sharma",
                sent_at=clock.now(),
            )
            stream = f"inbound-whatsapp-{cause_id.hex}"
            await store.append(TENANT, stream, 0, [Draft(stream, fact)], cause)
            return Response(None, status_code=200)

        bound = socket.create_server(("127.0.0.1", 0), backlog=2048)
        config = uvicorn.Config(
            Litestar([take], openapi_config=None, logging_config=None), log_config=None, access_log=False,
            timeout_keep_alive=75, server_header=False, lifespan="on",
        )  # fmt: skip
        say(str(bound.getsockname()[1]))  # who connects before it serves waits in the backlog
        await uvicorn.Server(config).serve([bound])


def webhooks() -> Callable[[], bytes]:
    """Requests with a signed webhook each, as Meta posts them: one text message of a contact, under an id of its own."""
    prefix = os.urandom(6).hex()
    numbers = count()
    head = (
        "POST /webhooks/whatsapp HTTP/1.1\r\nhost: 127.0.0.1\r\nx-hub-signature-256: sha256=%s\r\n"
        "content-type: application/json\r\ncontent-length: %d\r\n\r\n"
    )

    def request() -> bytes:
        number = next(numbers)
        phone = f"9198{number % 100_000_000:08}"
        message = {
            "from": phone,
            "from_user_id": f"IN.{phone}",
            "id": f"wamid.{prefix}{number:08}",
            "timestamp": "1771218000",
            "type": "text",
            "text": {"body": WORDS},
        }
        value = {
            "messaging_product": "whatsapp",
            "metadata": {"display_phone_number": "918047491899", "phone_number_id": "106540352242922"},
            "contacts": [{"profile": {"name": "Priya Sharma"}, "wa_id": phone, "user_id": f"IN.{phone}"}],
            "messages": [message],
        }
        change = {"field": "messages", "value": value}
        body = json.dumps(
            {"object": "whatsapp_business_account", "entry": [{"id": "102290129340398", "changes": [change]}]}
        ).encode()
        signature = hmac.new(APP_SECRET.encode(), body, hashlib.sha256).hexdigest()
        return (head % (signature, len(body))).encode() + body

    return request


if __name__ == "__main__":
    log.configure("console", "error")
    match sys.argv[1:]:
        case ["ours", where]:
            uvloop.run(ours(json.loads(where)))
        case ["bare", where]:
            uvloop.run(bare(json.loads(where)))
        case ["load", _]:
            uvloop.run(load(webhooks(), b"200"))
        case _:
            asyncio.run(run(show))
