"""The voice service as it is deployed: `python -m voice_service` with its own role, Postgres, JetStream and the relay beside it.

Its calls are dialled: the orchestrator's fact asks for each, the service's effect asks Exotel (providers.py), callbacks come, and
the media stream opens at the URL that it gave. So every fact of a call is in the log when it is over.
"""

import asyncio
import base64
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from http import HTTPStatus
from pathlib import Path

from bench.outside import Connection
from bench.relay import MASTER, ROOT, TENANT
from bench.voice.processes import Load, agent
from events.base import Cause, Draft
from events.call import CallRequested
from events.values import PolicyDecision
from libs.config.compile import compile_bundle
from libs.domain.floor import INDIAN
from libs.kit import ids
from libs.kit.bus import Bus
from libs.kit.clock import Clock
from libs.kit.embedded import NatsServer, PostgresServer
from libs.kit.embedded_process import free_port
from libs.kit.migrate import migrate
from libs.kit.relay import Relay
from libs.kit.store import Store
from services.cli.system import publish

PYTHON = ROOT / "voice-service" / ".venv" / "bin" / "python"
INDIAN_WAITS = {"base": INDIAN.endpointing.base_ms, "question": INDIAN.endpointing.question_ms}
"""How long the shipped preset waits after the last word."""
PROVIDERS = ("TELEPHONY", "STT", "TTS", "TTS_ELEVENLABS", "LLM")
"""ElevenLabs stands ready to take over, and is never asked to."""
BEGINS_S = 60.0
NO_WAITS = {"base": 0, "question": 0}

BUNDLE = {
    "prices.yaml": """prices:
  - {provider: exotel, unit: minute, currency: INR, amount: 0.80, effective: 2026-01-01}
  - {provider: deepgram, unit: minute, currency: USD, amount: 0.0078, effective: 2026-01-01}
  - {provider: cartesia, unit: character, currency: USD, amount: 37.4, per: 1000000, effective: 2026-01-01}
""",
    "policy.yaml": "policy: {timezone: Asia/Kolkata, hours: {voice: {from: '00:00', to: '24:00'}}}\n",
}


class Service:
    """What the voice service needs around it, and how to have it call somebody."""

    def __init__(self, store: Store, environment: dict[str, str], folder: Path) -> None:
        self._store = store
        self._environment = environment
        self._clock = Clock()
        self._folder = folder
        self._asked = 0
        self.port = 0
        """Where it listens now."""

    @asynccontextmanager
    async def up(self, load: Load, voice: str = "{}") -> AsyncIterator[int]:
        """The service with this `voice` in its settings; its process id."""
        settings = f"channels: {{voice: {{enabled: true, provider: exotel}}}}\nvoice: {voice}\n"
        loaded = compile_bundle({"settings.yaml": settings, **BUNDLE}, {}, "development")
        assert loaded.bundle is not None, loaded.findings
        await publish(self._store, self._clock, loaded.bundle)
        port = self.port = free_port()
        providers = f"http://127.0.0.1:{load.port}"
        environment = {
            **self._environment,
            "CONVERSE_HOST": "127.0.0.1",
            "CONVERSE_PORT": str(port),
            "CONVERSE_VOICE_ORIGIN": f"http://127.0.0.1:{port}",
            "CONVERSE_VOICE_CALLS": "100",
            "CONVERSE_DATA": str(self._folder / "data"),
            **{f"CONVERSE_SANDBOX_{name}_URL": providers for name in PROVIDERS},
        }
        async with agent([PYTHON, "-m", "voice_service"], port, environment) as pid:
            await _begun(port)
            yield pid

    async def ring(self, calls: int) -> None:
        """The orchestrator asks for so many calls, each to somebody else."""
        for _ in range(calls):
            await self._ask()

    async def recorded(self) -> int:
        """How many recordings are kept."""
        kept: int = await self._store.pool.fetchval("SELECT count(*) FROM voice.recording WHERE state = 'kept'")
        return kept

    async def _ask(self) -> None:
        self._asked += 1
        now, contact = self._clock.now(), f"c_{self._asked}"
        stream = f"conversation-{self._asked}"
        cause_id = ids.cause_id(TENANT, "bench", stream)
        cause = Cause(id=cause_id, correlation_id=cause_id, occurred_at=now, source="orchestrator")
        intent = CallRequested(
            call="",
            to=f"+9198765{self._asked:05}",
            opening="Namaste ji, invoice ka payment baaki hai. Aapko yaad dilana tha.",
            instructions="Ask when they will pay the invoice.",
            allowed_by=PolicyDecision(verdict="allowed", channel="voice", purpose="general", at=now),
            intents={"promise_to_pay": "will pay by a date", "already_paid": "has paid"},
            context={"invoice_number": "INV-2026-0042", "amount": 52400, "contact_name": "Priya Sharma"},
            channels=["whatsapp"],
        )
        await self._store.append_any(TENANT, stream, [Draft(stream, intent, f"contact-{contact}", contact)], cause)


async def _begun(port: int) -> None:
    """Return once the service serves: its port is open from the first moment, and answers 503 until then."""
    async with asyncio.timeout(BEGINS_S):
        while True:
            connection = Connection("127.0.0.1", port)
            with closing(connection), suppress(OSError, EOFError):  # it changes hands
                status, _ = await connection.request("GET", "/health/ready")
                if status == HTTPStatus.OK:
                    return
            await asyncio.sleep(0.2)


@asynccontextmanager
async def service() -> AsyncIterator[Service]:
    """Postgres, NATS and the relay; all of them where this process runs."""
    with tempfile.TemporaryDirectory(prefix="bench-voice-") as name:
        folder = Path(name)
        os.chmod(folder, 0o711)
        async with PostgresServer(folder / "postgres") as postgres, NatsServer(folder / "nats") as nats:
            await migrate(postgres.url)
            bus = await Bus.connect(nats.url, name="relay")
            relaying = asyncio.create_task(Relay(0, url=postgres.url, bus=bus, clock=Clock()).run())
            environment = {
                "CONVERSE_DATABASE_URL": postgres.url,
                "CONVERSE_NATS_URL": nats.url,
                "CONVERSE_MASTER_KEY": base64.b64encode(MASTER).decode(),
                "CONVERSE_PROFILE": "development",
            }
            try:
                async with Store.open(postgres.url, master=MASTER, name="bench") as store:
                    yield Service(store, environment, folder)
            finally:
                relaying.cancel()
                await asyncio.gather(relaying, return_exceptions=True)
                await bus.close()
