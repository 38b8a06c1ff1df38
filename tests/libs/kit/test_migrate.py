"""Migrations: once, in order, from many places at once; an upgraded database equals a fresh one."""

import asyncio
from pathlib import Path

import asyncpg
import pytest

from libs.kit.migrate import SQL, MigrationRefused, Script, migrate, pending, plan, read
from libs.kit.schema import SNAPSHOT, describe


async def schema_of(url: str) -> str:
    connection = await asyncpg.connect(url)
    try:
        return await describe(connection)
    finally:
        await connection.close()


async def run(url: str, sql: str) -> str:
    connection = await asyncpg.connect(url)
    try:
        return str(await connection.fetchval(sql))
    finally:
        await connection.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three releases of somebody else's schema."""
    for kind in ("migrations", "functions", "rights"):
        (tmp_path / kind).mkdir()
    migrations = {
        "0001_things.pre.sql": "CREATE SCHEMA shop; CREATE TABLE shop.thing (id int, old text);",
        "0002_colour.pre.sql": "ALTER TABLE shop.thing ADD colour text;",
        "0002_colour.post.sql": "ALTER TABLE shop.thing DROP old;",
    }
    for name, text in migrations.items():
        (tmp_path / "migrations" / name).write_text(text)
    (tmp_path / "functions" / "one.sql").write_text(
        "CREATE OR REPLACE FUNCTION ops.one() RETURNS int LANGUAGE sql AS 'SELECT 1';"
    )
    return tmp_path


async def test_a_second_run_has_nothing_to_do(empty_database: str):
    assert await pending(empty_database) == await migrate(empty_database)
    assert await pending(empty_database) == []
    assert await migrate(empty_database) == []


async def test_the_schema_is_the_one_that_was_reviewed(database: str):
    assert await schema_of(database) == SNAPSHOT.read_text(encoding="utf-8"), (
        "the schema has changed: run `python -m libs.kit.schema > infra/postgres/schema.txt` and review the difference"
    )


async def test_a_database_upgraded_release_by_release_equals_a_fresh_one(
    empty_database: str, database: str, tmp_path: Path
):
    release = tmp_path / "release"
    for kind in ("migrations", "functions", "rights"):
        (release / kind).mkdir(parents=True)
    for script in read(SQL, "migrations"):
        (release / script.name).write_text(script.text)
        await migrate(empty_database, folder=release, phase="pre" if script.phase == "pre" else "post")
    await migrate(empty_database)
    assert await schema_of(empty_database) == await schema_of(database)


async def test_many_who_migrate_at_once_do_it_once(empty_database: str):
    done = await asyncio.gather(*(migrate(empty_database) for _ in range(4)))
    assert sorted(map(bool, done)) == [False, False, False, True]


async def test_two_databases_of_one_cluster_can_be_migrated_at_once(empty_database: str, database: str, folder: Path):
    roles = read(SQL, "migrations")[0].text
    await asyncio.gather(migrate(empty_database), *(run(database, roles) for _ in range(4)))
    assert await run(empty_database, "SELECT count(*) FROM pg_roles WHERE rolname = 'converse_ingest'") == "1"


async def test_pre_runs_before_and_post_after_a_release(empty_database: str, folder: Path):
    assert await migrate(empty_database, folder=folder, phase="pre") == [
        "migrations/0001_things.pre.sql",
        "migrations/0002_colour.pre.sql",
        "functions/one.sql",
    ]
    assert await migrate(empty_database, folder=folder, phase="post") == ["migrations/0002_colour.post.sql"]
    assert await migrate(empty_database, folder=folder) == []


async def test_a_release_that_was_left_out_is_refused(empty_database: str, folder: Path):
    (folder / "migrations" / "0003_size.pre.sql").write_text("ALTER TABLE shop.thing ADD size int;")
    with pytest.raises(MigrationRefused, match=r"0003_size.* follows .*0002_colour\.post\.sql, which is not applied"):
        await migrate(empty_database, folder=folder, phase="pre")
    assert len(await migrate(empty_database, folder=folder)) == 5


async def test_a_migration_changed_after_it_was_applied_is_refused(empty_database: str, folder: Path):
    await migrate(empty_database, folder=folder)
    (folder / "migrations" / "0001_things.pre.sql").write_text("SELECT 1;")
    with pytest.raises(MigrationRefused, match="was changed after it had been applied"):
        await migrate(empty_database, folder=folder)


async def test_a_changed_function_is_applied_again(empty_database: str, folder: Path):
    await migrate(empty_database, folder=folder)
    (folder / "functions" / "one.sql").write_text(
        "CREATE OR REPLACE FUNCTION ops.one() RETURNS int LANGUAGE sql AS 'SELECT 2';"
    )
    assert await migrate(empty_database, folder=folder) == ["functions/one.sql"]
    assert await run(empty_database, "SELECT ops.one()") == "2"


async def test_a_right_that_is_no_longer_written_down_is_gone(empty_database: str, folder: Path):
    await migrate(empty_database)
    (folder / "rights" / "ingest.sql").write_text("GRANT USAGE ON SCHEMA ops TO converse_ingest;")
    await migrate(empty_database, folder=folder)
    assert await run(empty_database, "SELECT has_table_privilege('converse_ingest', 'log.event', 'SELECT')") == "False"
    assert await run(empty_database, "SELECT has_table_privilege('converse_rules', 'log.event', 'SELECT')") == "True"


async def test_a_migration_that_fails_leaves_nothing_and_says_which(empty_database: str, folder: Path):
    (folder / "migrations" / "0003_bad.pre.sql").write_text("CREATE TABLE shop.half (id int); SELECT nonsense;")
    with pytest.raises(MigrationRefused, match=r'0003_bad\.pre\.sql failed: column "nonsense" does not exist'):
        await migrate(empty_database, folder=folder)
    assert await run(empty_database, "SELECT to_regclass('shop.half')") == "None"
    assert (await pending(empty_database, folder=folder))[0] == "migrations/0003_bad.pre.sql"


def test_a_misnamed_migration_is_refused(folder: Path):
    (folder / "migrations" / "4_late.sql").write_text("")
    with pytest.raises(MigrationRefused, match="is named NNNN_name"):
        read(folder, "migrations")


def test_rights_are_renewed_whenever_anything_else_is():
    right = Script("rights/ingest.sql", "GRANT")
    known = {right.name: right.hash}
    assert plan([], [], [right], known, "all").rights == []
    assert plan([], [Script("functions/f.sql", "x")], [right], known, "all").rights == [right]
