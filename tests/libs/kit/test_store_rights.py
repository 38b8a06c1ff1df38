"""What nobody may do to the log, and what each service's role may do at all."""

import asyncpg
import pytest

from libs.kit import postgres
from libs.kit.store import Append, Store
from libs.testkit.nouns import TENANT
from libs.testkit.servers import StoreOf
from tests.libs.kit.ledger import PARCEL, cause, moved, sent

SERVICES = ("ingest", "relay", "rules", "orchestrator", "gateways", "backend_sync", "console", "voice")
WRITERS = tuple(service for service in SERVICES if service != "relay")
REACTORS = ("rules", "orchestrator", "gateways", "backend_sync", "console", "voice")
OWN = {"orchestrator": "orchestrator.effect", "gateways": "gateways.effect", "backend_sync": "backend_sync.effect"}

CHANGES = (
    "UPDATE log.event SET type = 'parcel.lost.v1'",
    "DELETE FROM log.event",
    "TRUNCATE log.event",
    "UPDATE log.event_0 SET data = ''",
    "DELETE FROM log.event_0",
    "TRUNCATE log.event_0",
)

FORBIDDEN_TO_ALL = (
    *CHANGES,
    "INSERT INTO log.event SELECT * FROM log.event",
    "INSERT INTO log.event_0 SELECT * FROM log.event_0",
    "UPDATE log.log_head SET pos = 0",
    "UPDATE log.checkpoint SET pos = 0",
    "INSERT INTO log.checkpoint VALUES ('c', 0, 0)",
    "DELETE FROM log.checkpoint",
    "SELECT log.create_shard(5::smallint)",
    "UPDATE keys.data_key SET wrapped = NULL, destroyed_at = now()",
    "DELETE FROM keys.data_key",
    "UPDATE keys.tenant_key SET wrapped = ''",
    "UPDATE ops.tenant SET shard = 1",
    "INSERT INTO ops.tenant VALUES ('mine', 0)",
    "INSERT INTO ops.api_key VALUES (gen_random_uuid(), 'default', 'mine', '', '{}')",
    "UPDATE ops.api_key SET revoked_at = NULL",
    "UPDATE ops.business_clock SET ahead = '1 day'",
    "INSERT INTO ops.bundle VALUES ('mine', '')",
    "DELETE FROM ops.current_bundle",
    "DELETE FROM ops.migration",
    "ALTER TABLE log.event DISABLE TRIGGER ALL",
    "CREATE TABLE log.mine (x int)",
)


@pytest.fixture
async def log(store_of: StoreOf) -> Store:
    store = await store_of(PARCEL)
    await store.append(TENANT, "parcel-1", 0, [sent("parcel-1"), *moved("parcel-1", 1)], cause())
    return store


async def refused(connection: asyncpg.Connection, sql: str) -> bool:
    """Whether a statement is refused for want of a right."""
    try:
        await connection.execute(sql)
    except asyncpg.InsufficientPrivilegeError:
        return True
    return False


@pytest.mark.parametrize("change", CHANGES)
async def test_the_log_is_append_only_even_for_its_owner(log: Store, change: str):
    before = await log.read_sealed(0, 0, 10)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
        await log.pool.execute(change)
    assert await log.read_sealed(0, 0, 10) == before


@pytest.mark.parametrize("service", SERVICES)
async def test_no_service_may_do_what_none_needs(log: Store, service: str):
    connection = await postgres.connect(log.url, role=f"converse_{service}")
    allowed = [sql for sql in FORBIDDEN_TO_ALL if not await refused(connection, sql)]
    await connection.close()
    assert allowed == []


@pytest.mark.parametrize("service", WRITERS)
async def test_a_service_that_writes_facts_can_append_and_read_them(log: Store, store_of: StoreOf, service: str):
    store = await store_of(PARCEL, role=f"converse_{service}")
    await store.append(TENANT, "parcel-2", 0, [sent("parcel-2")], cause())
    async with store.transaction(0) as unit:
        await unit.commit("c", 0, 3, [Append(TENANT, "parcel-2", 1, moved("parcel-2", 1), cause())])
    assert len(await store.read_stream(TENANT, "parcel-2")) == 2
    assert await store.keyring.lookup(TENANT, "phone", "+91") == await log.keyring.lookup(TENANT, "phone", "+91")


async def test_the_relay_reads_what_is_sealed_and_can_do_nothing_else(log: Store):
    connection = await postgres.connect(log.url, role="converse_relay")
    assert await connection.fetchval("SELECT count(*) FROM log.event") == 2
    for sql in (
        "SELECT FROM keys.data_key",
        "SELECT FROM keys.tenant_key",
        "SELECT log.append_batch(0::smallint, '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}')",
        "SELECT FROM ops.api_key",
        "SELECT FROM ops.tenant",
        "SELECT FROM log.checkpoint",
    ):
        assert await refused(connection, sql), sql
    await connection.close()


@pytest.mark.parametrize("service", SERVICES)
async def test_private_rows_are_seen_and_written_by_their_service_alone(log: Store, service: str):
    connection = await postgres.connect(log.url, role=f"converse_{service}")
    for owner, table in OWN.items():
        for sql in (f"SELECT FROM {table}", f"DELETE FROM {table}"):
            assert await refused(connection, sql) == (owner != service), sql
    await connection.close()


async def test_the_console_reads_of_other_services_only_what_it_shows(log: Store):
    connection = await postgres.connect(log.url, role="converse_console")
    shown = ("gateways.account", "gateways.stopped")
    hidden = ("gateways.effect", "gateways.gate", "orchestrator.effect", "orchestrator.timer", "backend_sync.effect")
    allowed = [table for table in (*shown, *hidden) if not await refused(connection, f"SELECT FROM {table}")]
    assert await refused(connection, "INSERT INTO ops.current_bundle SELECT * FROM ops.current_bundle")
    await connection.close()
    assert allowed == [*shown]


@pytest.mark.parametrize("service", SERVICES)
async def test_only_reactors_may_put_facts_into_quarantine(log: Store, service: str):
    connection = await postgres.connect(log.url, role=f"converse_{service}")
    assert await refused(connection, "DELETE FROM ops.quarantine") == (service not in REACTORS)
    assert await refused(connection, "SELECT FROM log.checkpoint") == (service not in REACTORS)
    await connection.close()


@pytest.mark.parametrize("service", SERVICES)
async def test_only_the_writer_of_contacts_may_destroy_keys(log: Store, service: str):
    connection = await postgres.connect(log.url, role=f"converse_{service}")
    assert await refused(connection, "SELECT keys.destroy('default', '{contact-none}')") == (service != "backend_sync")
    assert await refused(connection, "SELECT keys.bind('default', '{parcel-1}', 'c_1')") == (
        service not in ("orchestrator", "backend_sync", "voice")  # a recording has a key of its own
    )
    await connection.close()


@pytest.mark.parametrize("service", SERVICES)
async def test_only_those_who_check_api_keys_may_see_their_hashes(log: Store, service: str):
    connection = await postgres.connect(log.url, role=f"converse_{service}")
    assert await refused(connection, "SELECT FROM ops.api_key") == (service not in ("ingest", "console", "voice"))
    await connection.close()
