"""Sealing: keys per contact, erasure, look-ups; and no plaintext where facts lie."""

import asyncio
import base64
from datetime import date
from pathlib import Path

import asyncpg
import pytest

from events.base import Event
from libs.kit.crypto import DataKey, KeyUnusable, Tampered, master_key, parts
from libs.kit.store import Append, Store
from libs.testkit.nouns import PRIYA, PRIYA_PHONE, TENANT
from libs.testkit.servers import StoreOf
from tests.libs.kit.ledger import PARCEL, PRIYAS_STREET, Address, Sent, cause, sent, until


@pytest.fixture
async def log(store_of: StoreOf) -> Store:
    return await store_of(PARCEL)


async def facts_of(store: Store, stream: str) -> list[Event]:
    return [fact.event for fact in await store.read_stream(TENANT, stream)]


async def erased_everywhere(stores: list[Store], stream: str) -> None:
    """Return once every process has heard that the stream's key is gone."""

    async def erased() -> bool:
        return all([(await facts_of(store, stream))[0] == ERASED for store in stores])

    await until(erased)


ERASED = Sent(receiver="[erased]", address=Address(street="[erased]"), weight=300)


def test_a_sealed_value_names_its_key_and_opens_where_it_was_sealed():
    key = DataKey("contact-c.1.2", bytes(32))
    sealed = key.seal(b"Priya", b"here")
    assert sealed.startswith("s1.contact-c.1.2.")
    name, box = parts(sealed)
    assert name == "contact-c.1.2"
    assert key.open(box, b"here") == b"Priya"


@pytest.mark.parametrize("key", [DataKey("contact-1", bytes(31) + b"\1"), DataKey("contact-1", bytes(32))])
def test_a_sealed_value_does_not_open_elsewhere_nor_under_another_key(key: DataKey):
    _, box = parts(DataKey("contact-1", bytes(32)).seal(b"Priya", b"here"))
    with pytest.raises(Tampered, match="does not belong where it stands"):
        key.open(box, b"there")


@pytest.mark.parametrize("box", ["", "Priya", "Priya?", "AAAA"])
def test_what_nobody_has_sealed_does_not_open(box: str):
    with pytest.raises(Tampered, match="does not belong where it stands"):
        DataKey("contact-1", bytes(32)).open(box, b"here")


def test_the_same_value_never_looks_the_same():
    key = DataKey("contact-1", bytes(32))
    assert key.seal(b"Priya", b"") != key.seal(b"Priya", b"")


async def test_no_plaintext_lies_in_the_event_table(log: Store):
    facts = [sent("parcel-1", notes=["ring twice"], data={"phone": PRIYA_PHONE}, born=date(1990, 5, 17))]
    await log.append(TENANT, "parcel-1", 0, facts, cause())

    row = bytes((await log.read_sealed(0, 0, 1))[0].data)

    for secret in ("Priya", PRIYAS_STREET, "ring twice", PRIYA_PHONE, "1990"):
        assert secret.encode() not in row
    assert b'"weight":300' in row
    assert (await facts_of(log, "parcel-1"))[0] == facts[0].event


async def test_what_one_process_seals_another_opens(log: Store, store_of: StoreOf):
    await log.append(TENANT, "parcel-1", 0, [sent("parcel-1", key=f"contact-{PRIYA}")], cause())
    assert await facts_of(await store_of(PARCEL), "parcel-1") == [sent("parcel-1").event]


async def test_two_processes_that_need_the_same_new_key_make_one(log: Store, store_of: StoreOf):
    stores = [log, await store_of(PARCEL), await store_of(PARCEL)]
    await asyncio.gather(
        *(
            store.append(TENANT, f"parcel-{n}-{m}", 0, [sent(f"parcel-{n}-{m}", key=f"contact-{m % 7}")], cause())
            for n, store in enumerate(stores)
            for m in range(21)
        )
    )
    assert await log.pool.fetchval("SELECT count(*) FROM keys.data_key") == 7
    for store in stores:
        assert [fact.event for fact in await store.read_log(0, 0, 100)] == [sent("parcel").event] * 63


async def test_erasing_a_contact_leaves_the_facts_and_nobody_can_read_them(log: Store, store_of: StoreOf):
    other = await store_of(PARCEL)
    await log.append(TENANT, "parcel-1", 0, [sent("parcel-1", key=f"contact-{PRIYA}")], cause())
    await log.append(TENANT, "parcel-2", 0, [sent("parcel-2", key="contact-c_456")], cause())
    assert await facts_of(other, "parcel-1") == [sent("parcel-1").event]

    async with log.transaction(0) as unit:
        assert await log.keyring.destroy(unit.connection, TENANT, [f"contact-{PRIYA}"]) == 1
        await unit.commit()

    await erased_everywhere([log, other], "parcel-1")
    assert await facts_of(await store_of(PARCEL), "parcel-1") == [ERASED]
    assert await facts_of(other, "parcel-2") == [sent("parcel-2").event]


async def test_erasing_a_contact_takes_along_what_was_said_before_it_was_known(log: Store):
    await log.append(TENANT, "parcel-early", 0, [sent("parcel-early")], cause())
    async with log.transaction(0) as unit:
        await log.keyring.bind(unit.connection, TENANT, ["parcel-early"], PRIYA)
        await unit.commit(
            "c", 0, 1, [Append(TENANT, "parcel-1", 0, [sent("parcel-1", key=f"contact-{PRIYA}")], cause())]
        )

    assert await log.keyring.destroy(log.pool, TENANT, [f"contact-{PRIYA}"]) == 2

    await erased_everywhere([log], "parcel-early")
    await erased_everywhere([log], "parcel-1")


async def test_what_was_on_its_way_when_a_contact_was_erased_is_erased_when_it_is_bound(log: Store):
    await log.append(TENANT, "parcel-early", 0, [sent("parcel-early")], cause())
    await log.keyring.destroy(log.pool, TENANT, [f"contact-{PRIYA}"])
    async with log.transaction(0) as unit:
        await log.keyring.bind(unit.connection, TENANT, ["parcel-early"], PRIYA)
        await unit.commit()
    await erased_everywhere([log], "parcel-early")


async def test_what_comes_after_erasure_is_stored_unreadable(log: Store):
    await log.keyring.destroy(log.pool, TENANT, [f"contact-{PRIYA}"])
    await log.append(TENANT, "parcel-1", 0, [sent("parcel-1", key=f"contact-{PRIYA}")], cause())
    assert await facts_of(log, "parcel-1") == [ERASED]
    row = bytes((await log.read_sealed(0, 0, 1))[0].data)
    assert f'"receiver":"s1.contact-{PRIYA}."'.encode() in row


async def test_erasure_of_one_tenant_leaves_the_same_contact_of_another(log: Store):
    await log.tenants.create("acme")
    for tenant in (TENANT, "acme"):
        await log.append(tenant, "parcel-1", 0, [sent("parcel-1", key=f"contact-{PRIYA}")], cause())
    await log.keyring.destroy(log.pool, TENANT, [f"contact-{PRIYA}"])
    await erased_everywhere([log], "parcel-1")
    assert [fact.event for fact in await log.read_stream("acme", "parcel-1")] == [sent("parcel-1").event]


async def test_a_sealed_value_moved_to_another_stream_is_noticed(log: Store):
    await log.append(TENANT, "parcel-1", 0, [sent("parcel-1")], cause())
    row = (await log.read_sealed(0, 0, 1))[0]
    moved = type(row)(**{**{name: getattr(row, name) for name in row.__struct_fields__}, "stream": "parcel-2"})
    with pytest.raises(Tampered):
        await log.unseal([moved])


async def test_a_plain_value_in_a_personal_field_is_noticed(log: Store):
    await log.append(TENANT, "parcel-1", 0, [sent("parcel-1")], cause())
    row = (await log.read_sealed(0, 0, 1))[0]
    forged = b'{"type":"parcel.sent.v2","receiver":"Priya","address":"x","weight":1}'
    changed = type(row)(**{**{name: getattr(row, name) for name in row.__struct_fields__}, "data": forged})
    with pytest.raises(Tampered, match="has to be sealed"):
        await log.unseal([changed])


async def test_look_ups_are_the_same_everywhere_and_differ_by_tenant_and_kind(log: Store, store_of: StoreOf):
    await log.tenants.create("acme")
    phone = await log.keyring.lookup(TENANT, "phone", PRIYA_PHONE)
    assert len(phone) == 32
    assert await (await store_of(PARCEL)).keyring.lookup(TENANT, "phone", PRIYA_PHONE) == phone
    others = [("acme", "phone", PRIYA_PHONE), (TENANT, "email", PRIYA_PHONE), (TENANT, "phone", PRIYA_PHONE[:-1])]
    assert len({phone, *[await log.keyring.lookup(*other) for other in others]}) == 4


async def test_another_master_key_is_refused_with_what_to_do(log: Store, store_of: StoreOf, database: str):
    await log.append(TENANT, "parcel-1", 0, [sent("parcel-1")], cause())
    async with Store.open(database, master=bytes(32), categories=[PARCEL]) as stranger:
        with pytest.raises(KeyUnusable, match="CONVERSE_MASTER_KEY is not the one"):
            await stranger.read_stream(TENANT, "parcel-1")


async def test_keys_lie_wrapped(log: Store):
    await log.append(TENANT, "parcel-1", 0, [sent("parcel-1")], cause())
    connection = await asyncpg.connect(log.url)
    wrapped = await connection.fetchval("SELECT wrapped FROM keys.data_key")
    await connection.close()
    assert len(wrapped) == 12 + 32 + 16


def test_a_master_key_is_made_once_and_nobody_else_may_read_it(tmp_path: Path):
    file = tmp_path / "master.key"
    key = master_key(None, file)
    assert len(key) == 32
    assert file.stat().st_mode & 0o777 == 0o600
    assert master_key(None, file) == key
    assert master_key(base64.b64encode(key).decode()) == key


def test_a_master_key_that_others_may_read_is_refused(tmp_path: Path):
    file = tmp_path / "master.key"
    master_key(None, file)
    file.chmod(0o644)
    with pytest.raises(KeyUnusable, match="chmod 600"):
        master_key(None, file)


@pytest.mark.parametrize("text", ["short", base64.b64encode(bytes(31)).decode(), "!" * 44, "é"])
def test_a_master_key_of_the_wrong_shape_is_refused(text: str):
    with pytest.raises(KeyUnusable, match="CONVERSE_MASTER_KEY is not base64 of 32 bytes"):
        master_key(text)


def test_a_file_that_holds_no_master_key_is_refused(tmp_path: Path):
    file = tmp_path / "master.key"
    file.touch(0o600)
    file.write_bytes(b"\xff" * 32)
    with pytest.raises(KeyUnusable, match="is not base64 of 32 bytes"):
        master_key(None, file)


def test_without_any_master_key_it_says_how_to_make_one():
    with pytest.raises(KeyUnusable, match="openssl rand"):
        master_key(None)
