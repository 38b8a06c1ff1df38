"""What a read model is: rows by key, and a pure step from a fact and the rows that it touches to the rows that change."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from operator import attrgetter
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar, cast, get_type_hints

import msgspec

from events.base import Event, Recorded

FOLDER = Path(__file__).parent
JSONB = "jsonb"
Json = Annotated[Any, JSONB]
"""A column of type jsonb."""

Key = tuple[str | int, ...]
"""The primary key of a row, its tenant first."""


class Row(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A row of a read model. Its fields are the table's columns, in their order.

    Rows hold nothing that could hold them: a rebuild keeps very many, which the garbage collector need not visit.
    """

    TABLE: ClassVar[str]
    KEY: ClassVar[tuple[str, ...]]

    tenant: str


R = TypeVar("R", bound=Row)
Wanted = tuple[type[Row], Key]


def key_of(kind: type[Row]) -> Callable[[Row], Key]:
    """Reads the primary key off the rows of a table."""
    if len(kind.KEY) < 2:
        raise TypeError(f"{kind.__name__}: a key is the tenant and at least one more column")
    return attrgetter(*kind.KEY)


class Held:
    """The rows that a fact may touch, by table and key."""

    def __init__(self) -> None:
        self._tables: dict[type[Row], tuple[Callable[[Row], Key], dict[Key, Row]]] = {}

    def get(self, kind: type[R], *key: str | int) -> R | None:
        """A row by its key; None where there is none yet."""
        table = self._tables.get(kind)
        # Under its type, `put` has put nothing else.
        return cast("R | None", table[1].get(key)) if table is not None else None

    def put(self, row: Row) -> Key:
        """Keep a row, in place of the one with its key."""
        kind = type(row)
        table = self._tables.get(kind)
        if table is None:
            table = self._tables[kind] = key_of(kind), {}
        key_of_row, rows = table
        key = key_of_row(row)
        rows[key] = row
        return key

    def all(self, kind: type[R]) -> list[R]:
        """Every row of a table."""
        table = self._tables.get(kind)
        return cast("list[R]", list(table[1].values())) if table is not None else []


Apply = Callable[[Recorded[Any], Held], Iterable[Row]]
Reads = Callable[[Recorded[Any]], Iterable[Wanted]]


def reads_nothing(fact: Recorded[Any]) -> Iterable[Wanted]:
    """For a projection whose facts say all that their rows hold."""
    return ()


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name, and whether its values travel as JSON."""

    name: str
    is_json: bool


class Table:
    """A table of the schema `read`: statements that are the same for every generation, through its view."""

    def __init__(self, kind: type[Row]) -> None:
        hints = get_type_hints(kind, include_extras=True)
        self.kind = kind
        self.name = kind.TABLE
        self.key = kind.KEY
        self.columns = tuple(
            Column(each.name, JSONB in getattr(hints[each.name], "__metadata__", ()))
            for each in msgspec.structs.fields(kind)
        )
        self.upsert = self.upsert_into(kind.TABLE)
        self._decode = msgspec.json.Decoder(kind).decode

    def upsert_into(self, name: str) -> str:
        """The statement that writes a row through the view, or into one generation."""
        names = [column.name for column in self.columns]
        places = ", ".join(f"${number}" for number in range(1, len(names) + 1))
        changes = ", ".join(f'"{each}" = excluded."{each}"' for each in names if each not in self.key)
        quoted = ", ".join(f'"{each}"' for each in names)
        # Names of our own structs, never of a request.
        return (
            f'INSERT INTO read."{name}" ({quoted}) VALUES ({places})'  # noqa: S608
            f" ON CONFLICT ({', '.join(self.key)}) " + (f"DO UPDATE SET {changes}" if changes else "DO NOTHING")
        )

    def read(self, text: str) -> Row:
        """A row from its JSON."""
        return self._decode(text)

    def values(self, row: Row) -> tuple[Any, ...]:
        """A row's values as Postgres takes them: JSON as text, and no NUL, which its texts cannot hold."""
        return tuple(
            _json(getattr(row, column.name)) if column.is_json else _plain(getattr(row, column.name))
            for column in self.columns
        )


@dataclass(frozen=True)
class Projection:
    """A read model: what it hears, which rows a fact may touch, and what becomes of them.

    `apply` is pure, and the same for a fact that has just happened and for one of last year.
    """

    name: str
    rows: tuple[type[Row], ...]
    hears: tuple[type[Event], ...]
    reads: Reads
    apply: Apply
    tables: tuple[Table, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "tables", tuple(Table(kind) for kind in self.rows))

    @cached_property
    def ddl(self) -> str:
        """The statements that make its tables, as generation 1."""
        return (FOLDER / f"{self.name}.sql").read_text(encoding="utf-8")

    def take(self, fact: Recorded[Any], held: Held) -> None:
        """One fact further, with all rows at hand."""
        for row in self.apply(fact, held):
            held.put(row)


def changed(row: R, /, **changes: Any) -> R:
    """A row with other values."""
    return msgspec.structs.replace(row, **changes)


def by_kind(projections: Sequence[Projection]) -> Mapping[type[Event], tuple[Projection, ...]]:
    """Who hears what."""
    heard: dict[type[Event], tuple[Projection, ...]] = {}
    for projection in projections:
        for kind in projection.hears:
            heard[kind] = (*heard.get(kind, ()), projection)
    return heard


def clean(text: str) -> str:
    """A text that Postgres can hold: NUL becomes the replacement character."""
    return text.replace("\0", "\ufffd")


def _plain(value: Any) -> Any:
    return clean(value) if isinstance(value, str) else value


def _json(value: Any) -> str | None:
    if value is None:
        return None
    text = msgspec.json.encode(value).decode()
    return msgspec.json.encode(_without_nul(msgspec.json.decode(text))).decode() if "\\u0000" in text else text


def _without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(name): _without_nul(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_without_nul(item) for item in value]
    return value
