"""Files lie sealed under the key of their fact: readable as long as the key lives, and then by nobody."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from litestar import Request, Response, route
from litestar.params import FromPath

from libs.kit.crypto import Tampered
from libs.kit.objects import ObjectErased, ObjectMissing, Objects, ObjectsAway
from libs.kit.serve import App
from libs.kit.store import Store
from libs.testkit.nouns import TENANT
from libs.testkit.servers import serving

KEY = "inbound-whatsapp-1f0c"
RECEIPT = "रसीद: UTR 4711 of Priya Sharma".encode()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "objects"


@pytest.fixture
def objects(store: Store, folder: Path) -> Objects:
    return Objects.at(folder.as_uri(), store.keyring)


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("size", [0, 1, 300_000])
async def test_what_is_put_is_got(objects: Objects, size: int):
    content = bytes(index % 251 for index in range(size))
    name = await objects.put(TENANT, KEY, "0", content)
    assert await objects.get(TENANT, name) == content


async def test_neither_content_nor_key_nor_name_tells_anything(objects: Objects, folder: Path):
    name = await objects.put(TENANT, KEY, "0", RECEIPT)
    [file] = files(folder)
    assert RECEIPT not in file.read_bytes()
    assert b"Priya" not in file.read_bytes()
    assert name == file.relative_to(folder).as_posix()
    assert KEY not in name


async def test_the_same_part_again_overwrites_itself(objects: Objects, folder: Path):
    first = await objects.put(TENANT, KEY, "0", b"half")
    again = await objects.put(TENANT, KEY, "0", b"whole")
    assert first == again
    assert await objects.get(TENANT, again) == b"whole"
    assert len(files(folder)) == 1


async def test_with_the_key_the_content_is_erased(objects: Objects, store: Store, folder: Path):
    name = await objects.put(TENANT, KEY, "0", RECEIPT)
    kept = await objects.put(TENANT, "inbound-whatsapp-other", "0", b"another's")
    async with store.pool.acquire() as connection, connection.transaction():
        await store.keyring.destroy(connection, TENANT, [KEY])
    store.keyring.forget(TENANT)
    with pytest.raises(ObjectErased):
        await objects.get(TENANT, name)
    with pytest.raises(ObjectErased):
        await objects.put(TENANT, KEY, "1", RECEIPT)
    assert await objects.forget(TENANT, KEY) == 1
    with pytest.raises(ObjectMissing):
        await objects.get(TENANT, name)
    assert await objects.get(TENANT, kept) == b"another's"


async def test_an_object_is_its_tenants_alone(objects: Objects):
    name = await objects.put(TENANT, KEY, "0", RECEIPT)
    with pytest.raises(ObjectMissing):
        await objects.get("other", name)


async def test_an_object_that_was_changed_or_moved_is_not_read(objects: Objects, folder: Path):
    name = await objects.put(TENANT, KEY, "0", RECEIPT)
    moved = await objects.put(TENANT, KEY, "1", b"other")
    (folder / moved).write_bytes((folder / name).read_bytes())
    with pytest.raises(Tampered):
        await objects.get(TENANT, moved)
    (folder / name).write_bytes(b"no object of ours")
    with pytest.raises(Tampered):
        await objects.get(TENANT, name)


async def test_what_was_never_put_is_missing(objects: Objects):
    with pytest.raises(ObjectMissing):
        await objects.get(TENANT, f"{TENANT}/0/0")


async def test_a_url_that_leads_nowhere_is_refused_without_its_secrets(store: Store):
    with pytest.raises(ValueError, match="is no store of objects") as refused:
        Objects.at("ftp://someone:hunter2@host/folder", store.keyring)
    assert "hunter2" not in str(refused.value)


@asynccontextmanager
async def bucket() -> AsyncIterator[tuple[str, dict[str, bytes]]]:
    """What S3 does with PUT, GET, DELETE and a list: enough of its protocol for obstore's own client."""
    kept: dict[str, bytes] = {}

    @route("/files/{name:path}", http_method=["PUT", "GET"], status_code=200)
    async def one(request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes]:
        if request.method == "PUT":
            kept[name] = await request.body()
            return Response(b"", headers={"etag": '"1"'})
        if name not in kept:
            return Response(b"<Error><Code>NoSuchKey</Code></Error>", status_code=404)
        return Response(
            kept[name],
            headers={"etag": '"1"', "last-modified": "Mon, 16 Feb 2026 05:00:00 GMT"},
            media_type="application/octet-stream",
        )

    async with serving(App("s3", [one])) as origin:
        yield origin, kept


async def test_a_bucket_is_a_store_too(store: Store):
    async with bucket() as (origin, kept):
        objects = Objects.at(
            "s3://files/converse",
            store.keyring,
            endpoint=origin,
            region="ap-south-1",
            access_key_id="test",
            secret_access_key="test",
            client_options={"allow_http": True},
        )
        name = await objects.put(TENANT, KEY, "0", RECEIPT)
        assert list(kept) == [f"/converse/{name}"]
        assert await objects.get(TENANT, name) == RECEIPT
        with pytest.raises(ObjectMissing):
            await objects.get(TENANT, f"{TENANT}/0/0")


async def test_a_bucket_that_is_away_says_so_and_no_more(store: Store):
    objects = Objects.at(
        "s3://files",
        store.keyring,
        endpoint="http://127.0.0.1:9",
        region="ap-south-1",
        access_key_id="AKIAEXAMPLE",
        secret_access_key="test",
        client_options={"allow_http": True},
        retry_config={"max_retries": 0},
    )
    with pytest.raises(ObjectsAway) as away:
        await objects.put(TENANT, KEY, "0", RECEIPT)
    assert "AKIAEXAMPLE" not in str(away.value)
