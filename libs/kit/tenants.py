"""Tenants, the shard that each lives in for ever, and their API keys."""

import hashlib
import secrets
import time
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from libs.kit import ids

TOKEN_PREFIX = "cvk_"  # noqa: S105 - how a token begins, so that scanners of leaked secrets know it
CACHE_S = 10.0
CACHE_SIZE = 1024


class UnknownTenant(Exception):
    """There is no such tenant."""

    def __init__(self, tenant: str) -> None:
        super().__init__(f"there is no tenant {tenant!r}")
        self.tenant = tenant


class TenantExists(Exception):
    """A tenant of that name lives in another shard, where it has to stay."""

    def __init__(self, tenant: str, shard: int) -> None:
        super().__init__(f"the tenant {tenant!r} exists in shard {shard} and cannot move")


@dataclass(frozen=True, slots=True)
class Tenant:
    """An organization whose facts have one total order, that of its shard."""

    name: str
    shard: int
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What a caller may do. The token itself is not stored."""

    id: UUID
    tenant: str
    name: str
    scopes: frozenset[str]
    created_at: datetime
    revoked_at: datetime | None = None


class Tenants:
    """The tenants of a database. A revoked key stops working at once here, within ten seconds in other processes."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._shards: dict[str, int] = {}
        self._verified: OrderedDict[bytes, tuple[float, ApiKey]] = OrderedDict()

    async def shard_of(self, tenant: str) -> int:
        """The shard that a tenant lives in. Raises UnknownTenant."""
        shard = self._shards.get(tenant)
        if shard is None:
            shard = await self._pool.fetchval("SELECT shard FROM ops.tenant WHERE tenant = $1", tenant)
            if shard is None:
                raise UnknownTenant(tenant)
            self._shards[tenant] = shard
        return shard

    def known_shard_of(self, tenant: str) -> int | None:
        """As `shard_of`, where it has been asked before."""
        return self._shards.get(tenant)

    async def create(self, tenant: str, shard: int = 0) -> None:
        """Make a tenant, and its shard if need be; nothing changes if it is there already. Needs the schema's owner."""
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute("SELECT log.create_shard($1::smallint)", shard)
            await connection.execute(
                "INSERT INTO ops.tenant (tenant, shard) VALUES ($1, $2) ON CONFLICT DO NOTHING", tenant, shard
            )
        if (actual := await self.shard_of(tenant)) != shard:
            raise TenantExists(tenant, actual)

    async def all(self) -> list[Tenant]:
        """Every tenant, by name."""
        return [
            Tenant(*row)
            for row in await self._pool.fetch("SELECT tenant, shard, created_at FROM ops.tenant ORDER BY 1")
        ]

    async def create_key(self, tenant: str, name: str, scopes: Collection[str]) -> tuple[ApiKey, str]:
        """A new API key and its token, which cannot be shown again. Raises UnknownTenant."""
        token = TOKEN_PREFIX + secrets.token_urlsafe(32)
        try:
            row = await self._pool.fetchrow(
                "INSERT INTO ops.api_key (id, tenant, name, hash, scopes) VALUES ($1, $2, $3, $4, $5)"
                " RETURNING id, tenant, name, scopes, created_at, revoked_at",
                ids.fresh(),
                tenant,
                name,
                _hash(token),
                sorted(scopes),
            )
        except asyncpg.ForeignKeyViolationError as error:
            raise UnknownTenant(tenant) from error
        return _key(row), token

    async def revoke_key(self, id: UUID) -> bool:
        """Whether the key was valid until now."""
        self._verified.clear()
        done = await self._pool.execute(
            "UPDATE ops.api_key SET revoked_at = clock_timestamp() WHERE id = $1 AND revoked_at IS NULL", id
        )
        return bool(done == "UPDATE 1")

    async def keys(self, tenant: str) -> list[ApiKey]:
        """A tenant's keys, revoked ones too, oldest first."""
        rows = await self._pool.fetch(
            "SELECT id, tenant, name, scopes, created_at, revoked_at FROM ops.api_key WHERE tenant = $1 ORDER BY created_at",
            tenant,
        )
        return [_key(row) for row in rows]

    async def verify(self, token: str) -> ApiKey | None:
        """The valid key that a token is for."""
        if not token.startswith(TOKEN_PREFIX):
            return None
        hash_ = _hash(token)
        known = self._verified.get(hash_)
        if known is not None and known[0] > time.monotonic():
            return known[1]
        row = await self._pool.fetchrow(
            "SELECT id, tenant, name, scopes, created_at, revoked_at FROM ops.api_key WHERE hash = $1 AND revoked_at IS NULL",
            hash_,
        )
        if row is None:
            self._verified.pop(hash_, None)
            return None
        key = _key(row)
        self._verified[hash_] = (time.monotonic() + CACHE_S, key)
        while len(self._verified) > CACHE_SIZE:
            self._verified.popitem(last=False)
        return key


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _key(row: asyncpg.Record) -> ApiKey:
    return ApiKey(row["id"], row["tenant"], row["name"], frozenset(row["scopes"]), row["created_at"], row["revoked_at"])
