"""`converse doctor`: what works on this machine, what does not, and what to do about it."""

import os
import platform
import sys
from pathlib import Path

import asyncpg
from nats.errors import Error as NatsError
from rich.console import Console

from libs.config.bundle import Bundle
from libs.config.compile import Loaded
from libs.config.load import load_bundle
from libs.kit import embedded_nats, embedded_postgres
from libs.kit.bus import Bus
from libs.kit.crypto import KeyUnusable, master_key
from libs.kit.embedded import EmbeddedServerError
from services.cli import doctor_channels, voice
from services.cli.admin import tell
from services.cli.doctor_channels import Check
from services.cli.room import room
from services.cli.settings import Settings

OLDEST_NATS = (2, 14)


async def run(settings: Settings, console: Console, *, as_json: bool) -> int:
    """1 when something is not well."""
    loaded = load_bundle(settings.config, settings.environment, settings.profile)
    checks = [_python(), _configuration(loaded, settings.config), await _postgres(settings), await _nats(settings)]
    checks += [_data(settings), _key(settings)]
    if (bundle := loaded.bundle) is not None:
        checks.append(_providers(bundle, settings))
        checks += await doctor_channels.checks(bundle, settings.environment, settings.profile)
        checks += _calls(bundle, settings)
    if as_json:
        tell(checks)
    else:
        for check in checks:
            mark = "[green]✔[/]" if check.well else "[bold red]✘[/]"
            console.print(f"{mark} {check.name}: {check.found}" + (f"\n    {check.advice}" if check.advice else ""))
    return 0 if all(check.well for check in checks) else 1


def _python() -> Check:
    well = sys.version_info >= (3, 11)
    return Check("Python", well, platform.python_version(), "" if well else "install Python 3.11 or newer")


def _configuration(loaded: Loaded, folder: Path) -> Check:
    if loaded.bundle is None:
        errors = sum(finding.severity == "error" for finding in loaded.findings)
        return Check("configuration", False, f"{errors} errors in {folder}", "see `converse config check`")
    return Check("configuration", True, f"{folder.name}, {loaded.bundle.hash[:12]}")


async def _postgres(settings: Settings) -> Check:
    if settings.database_url is None:
        try:
            binaries = embedded_postgres.find_binaries()
        except EmbeddedServerError as missing:
            return Check("PostgreSQL", False, "no server is configured or embedded", str(missing))
        return Check("PostgreSQL", True, f"embedded, from {binaries.parent.name}")
    try:
        connection = await asyncpg.connect(settings.database_url, timeout=5)
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        return Check("PostgreSQL", False, _said(error), "see CONVERSE_DATABASE_URL")
    try:
        version, free = connection.get_server_version(), await room(connection)
        well = version.major >= embedded_postgres.OLDEST
        advice = free.advice if well else f"PostgreSQL {embedded_postgres.OLDEST} or newer is needed"
        found = f"yours, version {version.major}.{version.minor}, {free}"
        return Check("PostgreSQL", not advice, found, advice)
    finally:
        await connection.close()


async def _nats(settings: Settings) -> Check:
    if settings.nats_url is None:
        try:
            program = embedded_nats.find_nats_server()
        except EmbeddedServerError as missing:
            return Check("NATS", False, "no server is configured or embedded", str(missing))
        return Check("NATS", True, f"embedded, {program.name}")
    try:
        bus = await Bus.connect(settings.nats_url, name="doctor")
    except (NatsError, ValueError) as error:
        return Check("NATS", False, _said(error), "see CONVERSE_NATS_URL")
    try:
        if not bus.connected:
            return Check("NATS", False, bus.health(), "see CONVERSE_NATS_URL")
        return await _jetstream(bus)
    finally:
        await bus.close()


async def _jetstream(bus: Bus) -> Check:
    version = bus.server_version
    found = f"yours, version {'.'.join(map(str, version))}"
    if version < OLDEST_NATS:
        return Check("NATS", False, found, f"NATS {'.'.join(map(str, OLDEST_NATS))} or newer is needed")
    if not bus.has_jetstream:
        return Check("NATS", False, f"{found}, without JetStream", "start it with JetStream: infra/nats/nats.conf")
    return Check("NATS", True, found)


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _data(settings: Settings) -> Check:
    place = _nearest(settings.data)
    well = place.is_dir() and os.access(place, os.W_OK)
    return Check("data folder", well, settings.data.name, "" if well else "set CONVERSE_DATA to a folder of yours")


def _key(settings: Settings) -> Check:
    """Without it nothing that was sealed can be read, and no command that looks into a system does anything."""
    file = settings.data / "master.key"
    if not settings.master_key and not file.is_file():
        return Check("master key", True, "made at the first start")
    try:
        master_key(settings.master_key, file)
    except (KeyUnusable, OSError) as error:
        return Check("master key", False, _said(error), f"see CONVERSE_MASTER_KEY, or {file.name} in the data folder")
    return Check(
        "master key", True, "CONVERSE_MASTER_KEY" if settings.master_key else f"{file.name} of the data folder"
    )


def _nearest(place: Path) -> Path:
    return place if place.exists() else _nearest(place.parent)


def _providers(bundle: Bundle, settings: Settings) -> Check:
    modes = {"claude": bundle.llm_mode(settings.environment), "erp": bundle.backend_mode(settings.environment)}
    return Check("providers", True, ", ".join(f"{name}: {mode}" for name, mode in modes.items()))


def _calls(bundle: Bundle, settings: Settings) -> list[Check]:
    """Whether calls can be held here; their providers are asked by voice-service itself when it starts."""
    if voice.CHANNEL not in bundle.settings.channels:
        return []
    mode = bundle.channel_mode(voice.CHANNEL, settings.environment)
    if mode == "off":
        return [doctor_channels.not_live(bundle, settings.environment, voice.CHANNEL, mode)]
    if not voice.installed():
        return [Check(voice.CHANNEL, True, f"{mode}, but off here", "`make demo-voice` installs voice-service")]
    if mode == "live":
        return [Check(voice.CHANNEL, True, "live, voice-service is installed; see its /health/ready once it runs")]
    return [doctor_channels.not_live(bundle, settings.environment, voice.CHANNEL, mode)]
