"""Private rows and the facts decided with them as one statement: one round trip, and no other while the shard's counter is held.

The parts of a statement do not see each other and have no order, so that only rows which cannot tell are put together. What
they lock is locked before the counter is, as in a transaction of single statements: `log.append_batch` gets an argument
that is known once all of them are written.
"""

import re
from collections.abc import Hashable, Sequence
from functools import cache, lru_cache
from typing import Any, NamedTuple

from libs.kit.appends import BATCH, CALL, PARAMETERS
from libs.kit.effect_sql import Ledger, statement
from libs.kit.wakes import Work

CLAIM = 5
"""How many arguments own_work.claim_of has."""

MANY = 12  # parts of one statement; in larger batches a round trip less counts little, and hardly two are of the same parts


class Row(NamedTuple):
    """A statement for a private row of the service; runs in the transaction of the facts that were decided with it.

    `wakes`: the work that is offered once it is committed. `alters`: about what `PrivateRows.recall` was told something that is
    true no longer. A statement that calls a function names in a comment the tables which that writes.
    """

    sql: str
    args: tuple[Any, ...] = ()
    wakes: Work | None = None
    alters: Hashable = None


_COMMENT = re.compile(r"--[^\n]*")
_TEXT = re.compile(r"'[^']*'")
_NAME = re.compile(r"\b([a-z_]+)\.([a-z_]+)\b")
_ALIAS = re.compile(r"\b[a-z_]+\.[a-z_]+\s+(?:as\s+)?([a-z_]+)\b")
_PARAMETER = re.compile(r"\$(\d+)")
_WRITES = re.compile(r"\b(?:insert|update|delete|merge|share|call|nextval)\b|\bpg_\w+|\b[a-z_]+\.[a-z_]+\s*\(")
_INNER = re.compile(r"\bselect\b")
_UPSERT = re.compile(r"insert into [^(]*\(([^)]*)\)\s*values\s*\(([^()]*)\)\s*on conflict\s*\(([^)]*)\)\s*do update")


class _Part(NamedTuple):
    """A row's statement: its first word, the tables that it names, and how many parameters it has.

    `blind`: it depends on nothing but its arguments and the rows that these name, so that there may be two of it. `upserts`: it
    changes a row that is there already. `key`: then, which of its parameters tell that row, if that can be read.
    """

    verb: str
    names: frozenset[str]
    text: str
    parameters: int
    blind: bool
    upserts: bool
    key: tuple[int, ...]


@cache
def _part(sql: str) -> _Part:
    text = _COMMENT.sub("", sql).strip().rstrip(";")
    plain = _TEXT.sub("''", text).replace('"', "").lower()
    aliases = {"excluded", *_ALIAS.findall(plain)}
    names = frozenset(
        f"{left}.{right}" for left, right in _NAME.findall(sql.replace('"', "").lower()) if left not in aliases
    )
    verb = plain.split(maxsplit=1)[0]
    if verb != "select" and "returning" not in plain:
        text += " RETURNING 1"
    parameters = max(map(int, _PARAMETER.findall(plain)), default=0)
    blind = verb == "select" or (verb in ("insert", "delete") and not _INNER.search(plain))
    return _Part(verb, names, text, parameters, blind, verb == "update" or "do update" in plain, _key(plain))


def _key(plain: str) -> tuple[int, ...]:
    if (upsert := _UPSERT.match(plain)) is None:
        return ()
    columns, values, target = ([word.strip() for word in words.split(",")] for words in upsert.groups())
    if len(columns) != len(values) or not set(target) <= set(columns):
        return ()
    told = [_PARAMETER.fullmatch(values[columns.index(column)]) for column in target]
    return tuple(int(found[1]) - 1 for found in told if found) if all(told) else ()


@cache
def only_reads(sql: str) -> bool:
    """Whether a query can change and lock nothing: it needs no transaction."""
    part = _part(sql)
    return part.verb in ("select", "with") and not _WRITES.search(_TEXT.sub("''", part.text).lower())


def may_see(sql: str, rows: Sequence[Row]) -> bool:
    """Whether a query asks for anything that these rows will write."""
    names = _part(sql).names
    return not names or any(not (other := _part(row.sql).names) or names & other for row in rows)


def together(rows: Sequence[Row], opens: Ledger | None = None) -> tuple[str, list[Any]] | None:
    """These rows and the call of `appends.CALL` as one statement; None where their order could be seen.

    Its own arguments, which are returned, come after the call's. Two rows of one table go together only by the same
    statement, if that reads nothing, and where it changes what is there already, if they are certain to mean different rows.
    Where it also `opens` effects of a ledger, own_work.work_of and own_work.claim_of are its last arguments, beyond those returned.
    """
    if len(rows) > MANY or not _differ(rows):
        return None
    rows = sorted(rows, key=lambda row: row.sql)  # one text, and one plan, whatever their order
    text = _joined(tuple(row.sql for row in rows), opens)
    return None if text is None else (text, [value for row in rows for value in row.args])


def _differ(rows: Sequence[Row]) -> bool:
    if len(rows) < 2:
        return True
    met = set()
    seen: set[str] = set()
    for row in rows:
        part = _part(row.sql)
        if row.sql in seen and not (part.blind and (part.key or not part.upserts)):
            return False
        seen.add(row.sql)
        if part.upserts:
            place = (row.sql, *(str(row.args[number]) for number in part.key))
            if place in met:
                return False
            met.add(place)
    return True


@lru_cache(maxsize=1024)
def _joined(statements: tuple[str, ...], opens: Ledger | None) -> str | None:
    writers: dict[str, str] = {}
    parts: list[str] = []
    offset = PARAMETERS
    for sql in statements:
        part = _part(sql)
        if part.verb not in ("insert", "update", "delete", "select") or not part.names:
            return None
        if any(writers.setdefault(name, sql) != sql for name in part.names):
            return None
        text = _PARAMETER.sub(lambda found, by=offset: f"${int(found[1]) + by}", part.text)  # type: ignore[misc]  # a default binds the loop's value
        parts.append(f"row_{len(parts)} AS MATERIALIZED (\n{text}\n)")
        offset += part.parameters
    batch = _batch(len(parts))
    if opens is not None:
        rows = "".join(f"{part},\n" for part in parts)
        claim = ", ".join(f"${number}" for number in range(offset + 2, offset + 2 + CLAIM))
        text = statement("effect_open_own", opens).replace("{batch}", batch).replace("{work}", f"${offset + 1}")
        return text.replace("{rows}", rows).replace("{claim}", claim)
    return f"WITH {', '.join(parts)}\n{batch}" if parts else batch


def _batch(parts: int) -> str:
    """The append, after so many rows."""
    if not parts:
        return CALL
    written = " + ".join(f"(SELECT count(*) FROM row_{number})" for number in range(parts))  # noqa: S608 - numbers
    batch = BATCH.replace("$1::smallint", "CASE WHEN written.rows >= 0 THEN $1::smallint END", 1)
    return (
        f"SELECT batch.head, batch.pos, batch.version, batch.duplicate FROM (SELECT {written} AS rows) written"  # noqa: S608 - numbers
        f" CROSS JOIN LATERAL {batch} batch"
    )
