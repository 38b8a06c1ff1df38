"""Published configuration: stored by the hash of its content, looked up by tenant, parsed once in a process."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Generic, NoReturn, Protocol, TypeVar

from events.base import Cause, Draft
from events.config import Published
from libs.kit.appends import asking_postgres
from libs.kit.store import ANY, Append, Store

LOOK_AGAIN_S = 60.0
_CURRENT = "SELECT hash FROM ops.current_bundle WHERE tenant = $1"


class Hashed(Protocol):
    """A bundle, as far as storing it goes."""

    @property
    def hash(self) -> str: ...

    def to_json(self) -> bytes: ...


B = TypeVar("B", bound=Hashed)


class NothingPublished(Exception):
    """No bundle has been published for this tenant: run `converse config publish`, or `converse up`."""


class Bundles(Generic[B]):
    """The bundles of all tenants; `parse` makes one of its stored content. A new publication is seen at once."""

    def __init__(self, store: Store, parse: Callable[[bytes], B]) -> None:
        self._store = store
        self._parse = parse
        self._parsed: dict[str, B] = {}
        self._current: dict[str, str] = {}
        self._publications = 0
        store.listener.on("bundle", self._forget)

    async def current(self, tenant: str) -> B:
        """The bundle that decides for this tenant now. Raises NothingPublished, Unavailable."""
        known = self._current.get(tenant)
        if known is None:
            seen = self._publications
            # No tenant has such a name, whoever writes it into a webhook's path; Postgres cannot be asked for it.
            known = None if "\0" in tenant else await self._ask(_CURRENT, tenant)
            if known is None:
                raise NothingPublished(
                    f"no bundle is published for the tenant {tenant!r}; run `converse config publish`"
                )
            if seen == self._publications:  # else a newer one may have been published while we asked
                self._current[tenant] = known
        return await self.get(known)

    async def get(self, bundle: str) -> B:
        """A bundle by its hash. Raises NothingPublished for a hash that was never stored."""
        if bundle not in self._parsed:
            content = await self._ask("SELECT content FROM ops.bundle WHERE hash = $1", bundle)
            if content is None:
                raise NothingPublished(f"no bundle is stored under the hash {bundle!r}")
            self._parsed[bundle] = self._parse(content)
        return self._parsed[bundle]

    async def _ask(self, sql: str, key: str) -> Any:
        """One value. Raises Unavailable where Postgres is away."""
        with asking_postgres():
            return await self._store.pool.fetchval(sql, key)

    def _forget(self, tenant: str | None) -> None:
        self._publications += 1
        if tenant is None:
            self._current.clear()
        else:
            self._current.pop(tenant, None)


class Publications:
    """Wakes one loop when something is published, for whatever tenant; one that came while it was at work wakes it, too."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._published = asyncio.Event()
        store.listener.on("bundle", lambda _: self._published.set())

    async def wait(self, seconds: float) -> None:
        """Return at the next publication, or after so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._published.wait()
        self._published.clear()

    async def each_tenant(self, configure: Callable[[str], Awaitable[None]]) -> NoReturn:
        """`configure` every tenant by its bundle: at once, at every publication, and now and then."""
        while True:
            for tenant in await self._store.tenants.all():
                await configure(tenant.name)
            await self.wait(LOOK_AGAIN_S)


async def publish(store: Store, tenant: str, bundle: Hashed, cause: Cause) -> bool:
    """Store a checked bundle and let it decide from here on. False when it is the current one already."""
    previous = await store.pool.fetchval("SELECT hash FROM ops.current_bundle WHERE tenant = $1", tenant)
    if previous == bundle.hash:
        return False
    async with store.transaction(await store.shard_of(tenant)) as unit:
        await unit.connection.execute(
            "INSERT INTO ops.bundle (hash, content) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            bundle.hash,
            bundle.to_json(),
        )
        await unit.connection.execute(
            "INSERT INTO ops.current_bundle (tenant, hash) VALUES ($1, $2) ON CONFLICT (tenant)"
            " DO UPDATE SET hash = excluded.hash, published_at = clock_timestamp()",
            tenant,
            bundle.hash,
        )
        published = Draft("config-bundle", Published(bundle=bundle.hash, previous=previous))
        await unit.commit(appends=[Append(tenant, published.stream, ANY, [published], cause)])
    return True
