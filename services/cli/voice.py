"""Phone calls in `converse up`: voice-service runs in an environment of its own, and is reached on the one port."""

import base64
import http.client
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, closing, suppress
from http import HTTPStatus
from typing import TYPE_CHECKING

from libs.config import emulators
from libs.config.bundle import Bundle
from libs.kit.embedded_process import Child, free_port
from services.cli.settings import REPOSITORY, Settings

if TYPE_CHECKING:
    from services.cli.system import Surroundings

CHANNEL = "voice"
PYTHON = REPOSITORY / "voice-service" / ".venv" / "bin" / "python"
START_S = 120.0
"""Pipecat takes several seconds to load, on a slow machine many."""
STOP_S = 20.0


def installed() -> bool:
    """Whether `make demo-voice`, or `make test-voice`, has made voice-service's environment."""
    return PYTHON.exists()


def wanted(settings: Settings, bundle: Bundle) -> bool:
    """Whether calls can be held here: the channel is on, and voice-service is installed."""
    return installed() and bundle.channel_mode(CHANNEL, settings.environment) != "off"


class VoiceProcess:
    """voice-service, starting or running, at `port` of `host`."""

    def __init__(self, settings: Settings) -> None:
        self.host = settings.host
        self.port = free_port(settings.host)
        self._child = Child("voice-service", settings.data / "voice.log")

    def spawn(self, environment: Mapping[str, str]) -> None:
        """Begin to start it; a parent that is killed takes it along."""
        self._child.spawn([PYTHON, "-m", "voice_service"], cwd=REPOSITORY, env=environment)

    async def ready(self) -> None:
        """Return once it answers. Raises EmbeddedServerError with the end of its log where it does not."""
        await self._child.until(self._serves, timeout_s=START_S)

    async def stop(self) -> None:
        """End it; a call that goes on has a moment to tell so."""
        await self._child.stop([signal.SIGINT, signal.SIGKILL], patience_s=STOP_S)

    def _serves(self) -> bool:
        """Its port is open before it has begun; then the answer is 503."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=1)
        with closing(connection), suppress(OSError, http.client.HTTPException):
            connection.request("GET", "/api/v1/voice/calls")
            return connection.getresponse().status != HTTPStatus.SERVICE_UNAVAILABLE
        return False


@asynccontextmanager
async def service(
    settings: Settings, where: "Surroundings", emulated: Mapping[str, str]
) -> AsyncIterator[VoiceProcess]:
    """The process, starting, for as long as the block lasts. `emulated`: where the sandbox's providers are, by name."""
    process = VoiceProcess(settings)
    signed_in = f"nats://voice:{where.passwords['voice']}@" if "voice" in where.passwords else "nats://"
    environment = {
        **settings.environment,
        "CONVERSE_DATABASE_URL": where.database_url,
        "CONVERSE_NATS_URL": where.nats_url.replace("nats://", signed_in, 1),
        "CONVERSE_MASTER_KEY": base64.b64encode(where.master).decode(),
        "CONVERSE_PROFILE": settings.profile,
        "CONVERSE_HOST": process.host,
        "CONVERSE_PORT": str(process.port),
        "CONVERSE_VOICE_ORIGIN": f"http://{process.host}:{process.port}",
    }
    if settings.profile == "development":
        environment |= {emulators.variable(name): url for name, url in emulated.items()}
    process.spawn(environment)
    try:
        yield process
    finally:
        await process.stop()
