"""`converse up`: the whole system on one port until it is told to end."""

import asyncio
import json
import os
import socket
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import uvloop
from rich.console import Console

from libs.kit.embedded_process import free_port
from libs.kit.garbage import collected_seldom
from libs.kit.serve import serve
from services.cli import voice
from services.cli.settings import Settings
from services.cli.system import Surroundings, checked_bundle, surroundings, system

RUNNING = "running.json"
"""In the data folder, mode 0600: where the embedded servers of a running system listen."""


def run_loop(work: Coroutine[Any, Any, int]) -> int:
    """Run a command on uvloop."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def with_port(settings: Settings, port: int | None, *, any_port: bool = False) -> Settings:
    """The settings with the port that was asked for; `any_port` takes a free one where that is busy."""
    wanted = port or settings.port
    if any_port and port is None and not _is_free(settings.host, wanted):
        wanted = free_port(settings.host)
    return replace(settings, port=wanted)


async def run(settings: Settings, console: Console) -> int:
    """Serve until SIGINT or SIGTERM."""
    checked_bundle(settings)
    if not _is_free(settings.host, settings.port):
        console.print(f"[bold red]port {settings.port} is busy: free it, or choose another with --port")
        return 1
    async with surroundings(settings, lambda what: console.print(f"  … {what}", style="dim")) as where:
        with announced(settings, where):
            async with system(settings, where, calls=True) as running, collected_seldom():

                def ready(port: int) -> None:
                    console.print(f"[bold green]ConverseAgent is up[/] at {running.origin}  (Ctrl-C ends it)")
                    if not voice.installed():
                        console.print("  calls are off: `make demo-voice` installs voice-service", style="dim")
                    console.print(f"  {running.origin}/api/docs   the API\n  {running.origin}/health     its health")

                await serve(running.apps, settings.host, settings.port, on_ready=ready)
    console.print("  … stopped; the data is kept", style="dim")
    return 0


@contextmanager
def announced(settings: Settings, where: Surroundings) -> Iterator[None]:
    """Tell the other commands where this system's servers are, as long as it runs."""
    path = settings.data / RUNNING
    path.touch(mode=0o600)
    told = {"database_url": where.database_url, "port": settings.port, "pid": os.getpid()}
    path.write_text(json.dumps(told))
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def running_database(data: Path) -> str | None:
    """The address of a running system's Postgres; None when none runs on this data folder."""
    told = _running(data)
    return None if told is None else str(told["database_url"])


def running_port(settings: Settings) -> int:
    """The port of the system that runs on this data folder, else the one that is configured."""
    told = _running(settings.data)
    return settings.port if told is None else int(told["port"])


def _running(data: Path) -> dict[str, Any] | None:
    try:
        told: dict[str, Any] = json.loads((data / RUNNING).read_text())
        os.kill(told["pid"], 0)
    except (OSError, ValueError, KeyError):
        return None
    return told


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
