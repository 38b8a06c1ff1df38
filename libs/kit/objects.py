"""Files too large for a fact: in a folder or a bucket, sealed with the data key of the fact that names them.

An object's name is `<tenant>/<digest of its key's name>/<part>`: it tells nothing of anybody, and the same part of the same
fact again overwrites itself. Destroying the key makes the content unreadable wherever copies of it are; `forget` then
removes the rest. What is put here is as durable as the store behind: a bucket is, a local folder as its disk's cache.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, ObjectStore, from_url

from libs.kit import ids
from libs.kit.crypto import Keyring, Tampered

_HEAD = b"converse-object-1 "
_ELSEWHERE = 256 * 1024  # bytes; above, sealing takes longer than a loop should stand still


class ObjectMissing(Exception):
    """There is no object of this name, or it is another tenant's."""


class ObjectErased(Exception):
    """The key that sealed the object was destroyed: nobody can read it any more."""


class ObjectsAway(Exception):
    """The store of objects did not answer as it should; the same may succeed later."""


class Objects:
    """The files of all tenants in one store."""

    def __init__(self, store: ObjectStore, keyring: Keyring) -> None:
        self._store = store
        self._keyring = keyring

    @classmethod
    def at(cls, url: str, keyring: Keyring, **options: Any) -> "Objects":
        """The store behind `file:///folder` (made where it is missing), `s3://bucket/prefix`, `gs://…`, `az://…` or `memory:///`.

        Credentials of a bucket come from its provider's usual variables (`AWS_ACCESS_KEY_ID`, …) or the machine's role;
        `options` are obstore's. Raises ValueError for a URL that is none of these, without what may be secret in it.
        """
        parts = urlsplit(url)
        try:
            if parts.scheme == "file":
                return cls(LocalStore.from_url(url, mkdir=True, automatic_cleanup=True), keyring)
            return cls(from_url(url, **options), keyring)
        except (BaseError, ValueError, OSError) as error:
            shown = urlunsplit((parts.scheme, parts.hostname or "", parts.path, "", ""))
            raise ValueError(f"{shown!r} is no store of objects: file:///folder or s3://bucket/prefix is") from error

    @staticmethod
    def name_of(tenant: str, key: str, part: str) -> str:
        """The name that a part of a key's objects has."""
        return f"{tenant}/{ids.digest(key)}/{part}"

    async def put(self, tenant: str, key: str, part: str, content: bytes) -> str:
        """Store `content`, sealed with the data key `key` (a stream's name); returns the object's name.

        The key must seal a fact that is stored already, else a crash of Postgres may lose it. `part` tells the objects of
        one key apart (`0`, `1`). Raises ObjectErased where the key was destroyed, ObjectsAway.
        """
        name = self.name_of(tenant, key, part)
        data_key = (await self._keyring.ensure(tenant, [key]))[tenant, key]
        if data_key is None:
            raise ObjectErased(f"the key of the object {name} was destroyed")
        sealed = await _aside(len(content), data_key.seal_bytes, content, name.encode())
        with _asking():
            await obstore.put_async(self._store, name, _HEAD + key.encode() + b"\n" + sealed)
        return name

    async def get(self, tenant: str, name: str) -> bytes:
        """The content of an object. Raises ObjectMissing, ObjectErased, Tampered, ObjectsAway."""
        if not name.startswith(f"{tenant}/"):
            raise ObjectMissing(f"there is no object {name} of this tenant")
        with _asking(name):
            answer = await obstore.get_async(self._store, name)
            whole = bytes(await answer.bytes_async())
        head, line, sealed = whole.partition(b"\n")
        if not head.startswith(_HEAD) or not line:
            raise Tampered(f"the object {name} does not begin as ours do")
        key = head.removeprefix(_HEAD).decode()
        data_key = (await self._keyring.open(tenant, [key]))[tenant, key]
        if data_key is None:
            raise ObjectErased(f"the key of the object {name} was destroyed")
        return await _aside(len(sealed), data_key.open_bytes, sealed, name.encode())

    async def forget(self, tenant: str, key: str) -> int:
        """Remove every object of a key, after it was destroyed. The number of objects."""
        with _asking():
            found = await obstore.list(self._store, f"{tenant}/{ids.digest(key)}/").collect_async()
            names = [each["path"] for each in found]
            if names:
                await obstore.delete_async(self._store, names)
        return len(names)


async def _aside(size: int, work: Any, *args: Any) -> bytes:
    """Seal or open here, or in a thread where it would hold up everybody else."""
    done: bytes = await asyncio.to_thread(work, *args) if size > _ELSEWHERE else work(*args)
    return done


@contextmanager
def _asking(name: str = "") -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise ObjectMissing(f"there is no object {name}") from error
    except (BaseError, OSError) as error:
        # The message of an S3 error may hold addresses and signatures.
        raise ObjectsAway(f"the store of objects does not answer: {type(error).__name__}") from error
