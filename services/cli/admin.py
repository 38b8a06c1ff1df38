"""Looking into a system and repairing it, whether it runs or not."""

import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
from rich.console import Console
from rich.table import Table

from libs.kit import auth, embedded, quarantine
from libs.kit.clock import Clock
from libs.kit.crypto import master_key
from libs.kit.store import Store
from libs.kit.tenants import UnknownTenant
from services.cli.settings import Settings, UserError
from services.cli.up import running_database

UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
LONGEST = timedelta(days=3650)
"""Business time is never moved back: a slip of the hand beyond the last year of the calendar would stop everything for good."""


def duration(text: str) -> timedelta:
    """`3d`, `12h`, `30m` or `90s`; several add up (`1d12h`), to LONGEST at most. Raises UserError."""
    parts = re.findall(r"(\d{1,9})([dhms])", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise UserError(f"{text!r} is no duration: write 3d, 12h, 30m, 90s, or 1d12h, at most {LONGEST.days}d")
    try:
        meant = sum((timedelta(**{UNITS[unit]: int(number)}) for number, unit in parts), timedelta())
    except OverflowError:  # of several that add up
        meant = timedelta.max
    if meant > LONGEST:
        raise UserError(f"{text!r} is too long: at most {LONGEST.days}d")
    return meant


@asynccontextmanager
async def connected(settings: Settings) -> AsyncIterator[tuple[Store, Clock]]:
    """The log and the clock: of the running system, else of its data folder, whose Postgres is started meanwhile."""
    url = settings.database_url or running_database(settings.data)
    folder = settings.data / "postgres"
    if url is None and not folder.exists():
        raise UserError(f"there is no system at {settings.data}: run `make up` first, or set CONVERSE_DATABASE_URL")
    async with embedded.postgres(url, folder) as address:
        key = master_key(settings.master_key, settings.data / "master.key")
        async with (
            Store.open(address, master=key, name="converse-cli", connections=2) as store,
            Clock.open(store.pool, store.listener) as clock,
        ):
            yield store, clock


def tell(told: Any) -> None:
    """Print it for machines: one line of JSON."""
    sys.stdout.write(msgspec.json.encode(told).decode() + "\n")


async def advance_clock(settings: Settings, console: Console, by: timedelta, *, as_json: bool) -> int:
    """Move business time; refused outside the development profile."""
    if settings.profile != "development":
        raise UserError("business time is moved in the development profile only (CONVERSE_PROFILE=development)")
    async with connected(settings) as (_, clock):
        now = await clock.advance(by)
    if as_json:
        tell({"business_time": now})
    else:
        console.print(f"business time is {now.isoformat(timespec='seconds')}")
    return 0


async def list_quarantine(settings: Settings, console: Console, *, as_json: bool) -> int:
    """Facts in quarantine, with the error and what they were for."""
    async with connected(settings) as (store, _):
        entries = await quarantine.entries(store.pool)
    if as_json:
        tell(entries)
        return 0
    if not entries:
        console.print("nothing is in quarantine")
        return 0
    table = Table("id", "consumer", "fact", "position", "for", "error")
    for entry in entries:
        table.add_row(str(entry.id), entry.consumer, entry.type, str(entry.pos), entry.target, entry.error)
    console.print(table)
    return 0


async def retry_quarantine(settings: Settings, console: Console, entry: int, *, as_json: bool) -> int:
    """The consumer that leads takes the fact again."""
    async with connected(settings) as (store, _), store.pool.acquire() as connection:
        try:
            await quarantine.retry(connection, entry)
        except quarantine.NotQuarantined as nothing:
            raise UserError(f"{nothing} (`converse dlq list`)") from nothing
    if as_json:
        tell({"id": entry, "state": "retry"})
    else:
        console.print(f"{entry} is given to its consumer again")
    return 0


async def create_key(
    settings: Settings, console: Console, tenant: str, name: str, scopes: list[str], *, as_json: bool
) -> int:
    """The token is shown here and nowhere else; its hash is stored."""
    unknown = [scope for scope in scopes if scope not in auth.SCOPES]
    if unknown:
        raise UserError(f"unknown scope {', '.join(unknown)}: there are {', '.join(auth.SCOPES)}")
    async with connected(settings) as (store, _):
        try:
            key, token = await store.tenants.create_key(tenant, name, scopes)
        except UnknownTenant as nobody:
            raise UserError(str(nobody)) from nobody
    if as_json:
        tell({"id": key.id, "tenant": tenant, "name": name, "scopes": scopes, "token": token})
        return 0
    console.print(f"key {key.id} for {tenant}, scopes {', '.join(scopes)}")
    console.print(f"[bold]{token}[/]  (shown once)")
    return 0


async def list_keys(settings: Settings, console: Console, tenant: str, *, as_json: bool) -> int:
    """A tenant's keys and what each opens, revoked ones too; no token is kept."""
    async with connected(settings) as (store, _):
        await store.tenants.shard_of(tenant)  # a tenant that is not there is told as such
        keys = await store.tenants.keys(tenant)
    if as_json:
        tell(keys)
        return 0
    if not keys:
        console.print(f"the tenant {tenant} has no keys: `converse keys create NAME --scope …` makes one")
        return 0
    table = Table("id", "name", "scopes", "made", "revoked")
    for key in keys:
        revoked = f"{key.revoked_at:%Y-%m-%d %H:%M}" if key.revoked_at else ""
        table.add_row(str(key.id), key.name, ", ".join(sorted(key.scopes)), f"{key.created_at:%Y-%m-%d %H:%M}", revoked)
    console.print(table)
    return 0


async def revoke_key(settings: Settings, console: Console, key: str, *, as_json: bool) -> int:
    """From now on the key opens nothing."""
    try:
        key_id = UUID(key)
    except ValueError:
        raise UserError(f"{key!r} is no key's id: `converse keys list` shows them") from None
    async with connected(settings) as (store, _):
        if not await store.tenants.revoke_key(key_id):
            raise UserError(f"there is no key {key}, or it was revoked before (`converse keys list`)")
    if as_json:
        tell({"id": key_id, "revoked": True})
    else:
        console.print(f"{key} is revoked")
    return 0
