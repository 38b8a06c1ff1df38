"""Brings a database to the schema in infra/postgres: migrations once and in order, functions and rights whenever they change.

A migration is `NNNN_name.pre.sql` (additive; runs before the new version is deployed) or `NNNN_name.post.sql` (runs once
the old version is gone). Files of functions and rights are idempotent and are applied again when their text changes.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import asyncpg

from libs.kit import postgres

SQL = Path(__file__).parents[2] / "infra" / "postgres"
LOCK = 4_711_001  # any number that nothing else in the database locks
PATTERN = re.compile(r"(\d{4})_([a-z0-9_]+)\.(pre|post)\.sql")

Phase = Literal["all", "pre", "post"]

LEDGER = """
CREATE SCHEMA IF NOT EXISTS ops;
CREATE TABLE IF NOT EXISTS ops.migration (
    name text COLLATE "C" PRIMARY KEY,
    hash text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
"""
RECORD = """
INSERT INTO ops.migration (name, hash) VALUES ($1, $2)
ON CONFLICT (name) DO UPDATE SET hash = excluded.hash, applied_at = clock_timestamp()
"""
OUR_SCHEMAS = "SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema$|public$)'"


class MigrationRefused(Exception):
    """The migrations cannot be applied as asked; the message says which and what to do."""


@dataclass(frozen=True, slots=True)
class Script:
    """One SQL file. `name` is its path below infra/postgres."""

    name: str
    text: str

    @property
    def hash(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def phase(self) -> str:
        return "post" if self.name.endswith(".post.sql") else "pre"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be applied, in this order."""

    migrations: Sequence[Script]
    functions: Sequence[Script]
    rights: Sequence[Script]


async def migrate(url: str, *, phase: Phase = "all", folder: Path = SQL) -> list[str]:
    """Apply what is missing and return its names; safe to run from many places at once.

    Raises MigrationRefused when a file that has been applied was changed, or when `phase` would skip one.
    """
    connection = await asyncpg.connect(url, timeout=10, server_settings={"application_name": "converse-migrate"})
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", LOCK)
        await connection.execute(LEDGER)
        known = dict(await connection.fetch("SELECT name, hash FROM ops.migration"))
        to_do = plan(read(folder, "migrations"), read(folder, "functions"), read(folder, "rights"), known, phase)
        for script in to_do.migrations:
            await _apply(connection, script)
        # Together, so that no service finds a function that it may not call yet.
        async with connection.transaction():
            for script in to_do.functions:
                await _apply(connection, script)
            for script in to_do.rights:
                await _renew_rights(connection, script)
        return [script.name for script in (*to_do.migrations, *to_do.functions, *to_do.rights)]
    finally:
        await connection.close()


async def pending(url: str, *, folder: Path = SQL) -> list[str]:
    """The files that `migrate` would apply."""
    connection = await postgres.connect(url, name="converse-migrate")
    try:
        exists = await connection.fetchval("SELECT to_regclass('ops.migration') IS NOT NULL")
        rows = await connection.fetch("SELECT name, hash FROM ops.migration") if exists else []
    finally:
        await connection.close()
    known = dict(rows)
    to_do = plan(read(folder, "migrations"), read(folder, "functions"), read(folder, "rights"), known, "all")
    return [script.name for script in (*to_do.migrations, *to_do.functions, *to_do.rights)]


def read(folder: Path, kind: str) -> list[Script]:
    """The scripts of one kind, in order."""
    paths = sorted((folder / kind).glob("*.sql"), key=_order if kind == "migrations" else None)
    return [Script(f"{kind}/{path.name}", path.read_text(encoding="utf-8")) for path in paths]


def plan(
    migrations: Sequence[Script],
    functions: Sequence[Script],
    rights: Sequence[Script],
    known: dict[str, str],
    phase: Phase,
) -> Plan:
    """What `phase` has to apply to a database that knows these hashes."""
    for script in migrations:
        if known.get(script.name, script.hash) != script.hash:
            raise MigrationRefused(f"{script.name} was changed after it had been applied: undo that and add a new one")
    missing = [script for script in migrations if script.name not in known]
    chosen = missing if phase == "all" else [script for script in missing if script.phase == phase]
    if chosen:
        skipped = [script.name for script in missing[: missing.index(chosen[-1])] if script not in chosen]
        if skipped:
            raise MigrationRefused(
                f"{chosen[-1].name} follows {skipped[0]}, which is not applied: deploy the release in between first, or "
                "stop every service and apply all phases"
            )
    changed = [script for script in functions if known.get(script.name) != script.hash]
    if phase == "post":
        changed = []
    stale = any(known.get(script.name) != script.hash for script in rights)
    return Plan(chosen, changed, rights if chosen or changed or stale else [])


async def _apply(connection: asyncpg.Connection, script: Script) -> None:
    try:
        async with connection.transaction():
            await connection.execute(script.text)
            await connection.execute(RECORD, script.name, script.hash)
    except asyncpg.PostgresError as error:
        raise MigrationRefused(f"{script.name} failed: {error}") from error


async def _renew_rights(connection: asyncpg.Connection, script: Script) -> None:
    """A role has what its file says and nothing that an older one said."""
    role = "converse_" + Path(script.name).stem
    for (schema,) in await connection.fetch(OUR_SCHEMAS):
        for kind in ("ALL TABLES IN SCHEMA", "ALL SEQUENCES IN SCHEMA", "ALL FUNCTIONS IN SCHEMA", "SCHEMA"):
            await connection.execute(f'REVOKE ALL ON {kind} "{schema}" FROM "{role}"')
    await _apply(connection, script)


def _order(path: Path) -> tuple[str, bool, str]:
    match = PATTERN.fullmatch(path.name)
    if match is None:
        raise MigrationRefused(f"{path.name}: a migration is named NNNN_name.pre.sql or NNNN_name.post.sql")
    return match[1], match[3] == "post", match[2]
