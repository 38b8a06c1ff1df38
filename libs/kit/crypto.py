"""Sealing of personal fields: AES-256-GCM under data keys, which their tenant's key wraps, which the master key wraps."""

import asyncio
import base64
import binascii
import hmac
import os
import stat
from collections import OrderedDict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal

import asyncpg
import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from libs.kit import telemetry

KEY_BYTES = 32
NONCE_BYTES = 12
PREFIX = "s1."
CHANNEL = "keys_destroyed"  # NOTIFY payload: the tenant

KEYS = telemetry.counter("data_keys", "Data keys made, loaded and dropped from the cache", "what")

Place = tuple[str, str]  # tenant, key name
Purpose = Literal["wrap", "lookup"]


class KeyUnusable(Exception):
    """A key is malformed, unprotected, or not the one that the database was sealed with; the message says which."""


class Tampered(Exception):
    """A sealed value was changed, or stands in another stream or field than it was sealed for."""


class DataKey:
    """Seals and opens values under one data key."""

    __slots__ = ("_cipher", "_prefix", "life", "name")

    def __init__(self, name: str, key: bytes, life: str = "") -> None:
        self.name = name
        self.life = life  # of the server in which it was obtained; made in another, it may have been lost in a crash
        self._prefix = f"{PREFIX}{name}."
        self._cipher = AESGCM(key)

    def seal(self, plain: bytes, bound_to: bytes) -> str:
        """`s1.<key name>.<base64 of nonce and ciphertext>`; opens only with the same `bound_to`."""
        nonce = os.urandom(NONCE_BYTES)
        sealed = binascii.b2a_base64(nonce + self._cipher.encrypt(nonce, plain, bound_to), newline=False)
        return self._prefix + sealed.decode("ascii")

    def open(self, box: str, bound_to: bytes) -> bytes:
        """What was sealed, from what stands after the key's name. Raises Tampered."""
        try:
            # Base64; in half of binascii's time.
            raw = msgspec.convert(box, bytes)
            return self._cipher.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], bound_to)
        except (InvalidTag, ValueError) as error:
            raise Tampered(f"a value sealed with the key {self.name!r} does not belong where it stands") from error

    def seal_bytes(self, plain: bytes, bound_to: bytes) -> bytes:
        """Nonce and ciphertext of something large, which says elsewhere with what key it is sealed."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plain, bound_to)

    def open_bytes(self, sealed: bytes, bound_to: bytes) -> bytes:
        """What `seal_bytes` sealed. Raises Tampered."""
        try:
            return self._cipher.decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], bound_to)
        except (InvalidTag, ValueError) as error:
            raise Tampered(f"an object sealed with the key {self.name!r} does not belong where it lies") from error


def sealed_to_nobody(name: str) -> str:
    """What stands for a value whose key was destroyed before it came: it never can be read."""
    return f"{PREFIX}{name}."


def parts(sealed: str) -> tuple[str, str]:
    """The name of the key that a sealed value names, and what that opens; '' where it never can. Raises Tampered."""
    named, _, box = sealed.rpartition(".")
    if not named.startswith(PREFIX):
        raise Tampered("a field that has to be sealed is not")
    return named[len(PREFIX) :], box


def master_key(text: str | None, file: Path | None = None) -> bytes:
    """The master key: base64 of 32 bytes, or the content of `file`, which is made (mode 0600) where there is none."""
    if text:
        return _decode_key(text, "CONVERSE_MASTER_KEY")
    if file is None:
        raise KeyUnusable("CONVERSE_MASTER_KEY is not set: give base64 of 32 random bytes (openssl rand -base64 32)")
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        if stat.S_IMODE(file.stat().st_mode) & 0o077:
            raise KeyUnusable(f"{file} may be read by others: chmod 600 it") from None
        return _decode_key(file.read_text(errors="replace"), str(file))
    key = os.urandom(KEY_BYTES)
    with os.fdopen(descriptor, "wb") as out:
        out.write(base64.b64encode(key) + b"\n")
    return key


def _decode_key(text: str, where: str) -> bytes:
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except ValueError:  # also for letters that are not ASCII
        key = b""
    if len(key) != KEY_BYTES:
        raise KeyUnusable(f"{where} is not base64 of {KEY_BYTES} bytes (openssl rand -base64 {KEY_BYTES} makes one)")
    return key


Keys = dict[Place, DataKey | None]
"""Data keys that are at hand; None: destroyed."""

AtHand = Mapping[Place, DataKey | None]


_Loaded = dict[Place, DataKey | KeyUnusable | None]


@dataclass(frozen=True, slots=True)
class _TenantKeys:
    wrap: AESGCM
    lookup: bytes


class Keyring:
    """The data keys of all tenants, unwrapped for as long as they are in use.

    `pool` may commit asynchronously: a key is written before the facts that it seals, so that the log's own flush
    makes it durable with them, if the server has lived through from the one to the other; each key tells its life.
    """

    def __init__(self, pool: asyncpg.Pool, master: bytes, *, size: int = 50_000) -> None:
        self._pool = pool
        self._master = AESGCM(master)
        self._size = size
        self._keys: OrderedDict[Place, DataKey | None] = OrderedDict()
        self._tenants: dict[str, _TenantKeys] = {}
        self._wanted: dict[Place, bool] = {}
        self._next: asyncio.Task[_Loaded] | None = None
        self._turn = asyncio.Lock()
        self._forgotten = 0
        self._life = ""

    @property
    def held(self) -> AtHand:
        """The keys that are at hand now, without counting as a use of them."""
        return self._keys

    def at_hand(self, tenant: str, names: Iterable[str]) -> Keys | None:
        """These keys, if all of them are at hand; None: they have to be asked for."""
        found: Keys = {}
        for name in names:
            place = (tenant, name)
            if place not in self._keys:
                return None
            self._keys.move_to_end(place)
            found[place] = self._keys[place]
        return found

    async def ensure(self, tenant: str, names: Collection[str]) -> Keys:
        """These keys, made where they do not exist; None for one that is destroyed, and stays so."""
        for name in names:
            if not name.isprintable() or not name:
                raise ValueError(f"{name!r} is no name of a key")
        return await self._have(tenant, names, make=True)

    async def open(self, tenant: str, names: Iterable[str]) -> Keys:
        """These keys; None for one that is destroyed or was never made."""
        return await self._have(tenant, names, make=False)

    async def bind(self, connection: asyncpg.Connection, tenant: str, names: Collection[str], contact: str) -> None:
        """From the caller's commit on, destroying the contact's key destroys these too."""
        await connection.execute("SELECT keys.bind($1, $2, $3)", tenant, list(names), contact)

    async def destroy(self, connection: asyncpg.Connection, tenant: str, names: Collection[str]) -> int:
        """From the caller's commit on nobody can read what these keys seal; `contact-<id>` takes every bound key along.

        Returns how many keys were destroyed. Facts that come later under these names are unreadable from the start.
        """
        destroyed: int = await connection.fetchval("SELECT keys.destroy($1, $2)", tenant, list(names))
        return destroyed

    async def lookup(self, tenant: str, kind: str, value: str) -> bytes:
        """HMAC-SHA256 of a value to look people up by, under the tenant's own key. Normalize the value first."""
        keys = await self._tenant(tenant)
        return hmac.digest(keys.lookup, f"{kind}\0{value}".encode(), sha256)

    def forget(self, tenant: str | None = None) -> None:
        """Drop cached keys, of one tenant or all: some were destroyed, or news of it may have been missed."""
        self._forgotten += 1
        if not tenant:
            KEYS.labels("dropped").inc(len(self._keys))
            self._keys.clear()
            return
        for place in [place for place in self._keys if place[0] == tenant]:
            del self._keys[place]
            KEYS.labels("dropped").inc()

    def renew(self, life: str) -> None:
        """The server has crashed since `life`: keys that were obtained in it may be gone, and are asked for again."""
        if self._life == life:
            self._life = ""
            self.forget()
            return
        for place in [place for place, key in self._keys.items() if key is not None and key.life == life]:
            del self._keys[place]

    async def _have(self, tenant: str, names: Iterable[str], *, make: bool) -> Keys:
        found: Keys = {}
        missing: list[Place] = []
        for name in names:
            place = (tenant, name)
            if place in self._keys:
                self._keys.move_to_end(place)
                found[place] = self._keys[place]
            else:
                missing.append(place)
        if missing:
            # One batch with everybody else who is asking now.
            for place in missing:
                self._wanted[place] = self._wanted.get(place, False) or make
            if self._next is None:
                self._next = asyncio.create_task(self._load_wanted())
            loaded = await asyncio.shield(self._next)
            for place in missing:
                key = loaded.get(place)
                if isinstance(key, KeyUnusable):
                    raise key
                found[place] = key
        return found

    async def _load_wanted(self) -> _Loaded:
        async with self._turn:
            wanted, self._wanted, self._next = self._wanted, {}, None
            by_tenant: dict[str, dict[str, bool]] = {}
            for (tenant, name), make in wanted.items():
                by_tenant.setdefault(tenant, {})[name] = make
            loaded: _Loaded = {}
            for tenant, names in by_tenant.items():
                try:
                    loaded |= await self._load(tenant, names)
                except KeyUnusable as error:
                    # It is this tenant's trouble alone.
                    loaded |= dict.fromkeys(((tenant, name) for name in names), error)
            return loaded

    async def _load(self, tenant: str, names: dict[str, bool]) -> Keys:
        keys = await self._tenant(tenant)
        forgotten = self._forgotten
        # Looked up first: keys of a later life that are taken for ones of an earlier are only asked for twice.
        life = self._life or await self._begin_life()
        loaded: Keys = {}
        # Two processes that make the same keys in another order would wait for each other.
        to_make = sorted(name for name, make in names.items() if make)
        if to_make:
            fresh = {name: os.urandom(KEY_BYTES) for name in to_make}
            made = await self._pool.fetch(
                "INSERT INTO keys.data_key (tenant, name, wrapped) SELECT $1, unnest($2::text[]), unnest($3::bytea[])"
                " ON CONFLICT DO NOTHING RETURNING name",
                tenant,
                to_make,
                [_wrap(keys.wrap, fresh[name], tenant, name) for name in to_make],
            )
            for (name,) in made:
                loaded[tenant, name] = DataKey(name, fresh[name], life)
            KEYS.labels("made").inc(len(made))
        rest = [name for name in names if (tenant, name) not in loaded]
        if rest:
            rows = await self._pool.fetch(
                "SELECT name, wrapped FROM keys.data_key WHERE tenant = $1 AND name = ANY($2)", tenant, rest
            )
            for name, box in rows:
                key = DataKey(name, _unwrap(keys.wrap, box, tenant, name), life) if box is not None else None
                loaded[tenant, name] = key
            KEYS.labels("loaded").inc(len(rows))
        if forgotten != self._forgotten:
            # A key was destroyed while these were being read: hand out nothing older than that.
            return await self._load(tenant, dict.fromkeys(names, False))
        self._keys |= loaded
        while len(self._keys) > self._size:
            self._keys.popitem(last=False)
        return loaded

    async def _begin_life(self) -> str:
        await self._pool.execute("INSERT INTO keys.life DEFAULT VALUES ON CONFLICT DO NOTHING")
        self._life = (await self._pool.fetchval("SELECT id FROM keys.life")).hex
        return self._life

    async def _tenant(self, tenant: str) -> _TenantKeys:
        if (known := self._tenants.get(tenant)) is not None:
            return known
        purposes: Sequence[Purpose] = ("wrap", "lookup")
        rows = await self._pool.fetch("SELECT purpose, wrapped FROM keys.tenant_key WHERE tenant = $1", tenant)
        if len(rows) < len(purposes):
            fresh = [_wrap(self._master, os.urandom(KEY_BYTES), tenant, purpose) for purpose in purposes]
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute("SET LOCAL synchronous_commit = on")  # every other key hangs on these
                await connection.execute(
                    "INSERT INTO keys.tenant_key (tenant, purpose, wrapped)"
                    " SELECT $1, unnest($2::text[]), unnest($3::bytea[]) ON CONFLICT DO NOTHING",
                    tenant,
                    purposes,
                    fresh,
                )
            rows = await self._pool.fetch("SELECT purpose, wrapped FROM keys.tenant_key WHERE tenant = $1", tenant)
        keys = {purpose: _unwrap(self._master, box, tenant, purpose) for purpose, box in rows}
        self._tenants[tenant] = _TenantKeys(AESGCM(keys["wrap"]), keys["lookup"])
        return self._tenants[tenant]


def _wrap(cipher: AESGCM, key: bytes, tenant: str, name: str) -> bytes:
    nonce = os.urandom(NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, key, f"{tenant}\0{name}".encode())


def _unwrap(cipher: AESGCM, box: bytes, tenant: str, name: str) -> bytes:
    try:
        return cipher.decrypt(box[:NONCE_BYTES], box[NONCE_BYTES:], f"{tenant}\0{name}".encode())
    except InvalidTag as error:
        raise KeyUnusable(
            f"the key {name!r} of tenant {tenant!r} does not open: CONVERSE_MASTER_KEY is not the one that this database "
            "was made with"
        ) from error
