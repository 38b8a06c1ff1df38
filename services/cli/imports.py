"""`converse contacts import` and `converse followups import`: a CSV file, row by row, through the public HTTP API."""

import asyncio
import csv
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from libs.kit import http
from services.cli import columns
from services.cli.admin import tell
from services.cli.columns import Columns, Item, Misfit, NoColumn
from services.cli.settings import Settings, UserError
from services.cli.sheet import Row, Sheet, Unreadable

ROWS = 250
BYTES = 400_000
"""A request holds so many rows, or so many bytes, whichever is less."""
TRIES = 8
SHOWN = 20
STANDINGS = ("new", "changed", "unchanged", "refused")


class Wrong(msgspec.Struct, frozen=True):
    """What is wrong with a row: where, and what would be right."""

    line: int
    column: str | None
    message: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is imported: how a row becomes an item, where it goes, and what goes with each request."""

    path: str
    columns: Columns
    item: Callable[[Row, Columns], Item]
    more: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Outcome:
    """What became of the rows, or would."""

    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[Wrong] = field(default_factory=list)
    to_write: set[int] = field(default_factory=set)


def contacts(sheet: Sheet, told: list[str]) -> Wanted:
    """A list of contacts. Raises UserError."""
    try:
        return Wanted("/api/v1/contacts/import", columns.of_contacts(sheet.header, told), columns.contact)
    except NoColumn as missing:
        raise UserError(f"{sheet.path}: {missing}") from missing


def followups(sheet: Sheet, told: list[str], process: str, rule: str | None) -> Wanted:
    """A list of follow-ups of a process. Raises UserError."""
    try:
        found = columns.of_followups(sheet.header, told)
    except NoColumn as missing:
        raise UserError(f"{sheet.path}: {missing}") from missing
    more = {"process_type": process} | ({"rule": rule} if rule else {})
    return Wanted("/api/v1/followups/import", found, columns.followup, more)


def opened(file: Path) -> Sheet:
    """The sheet. Raises UserError."""
    try:
        return Sheet.of(file)
    except Unreadable as wrong:
        raise UserError(str(wrong)) from wrong


class Report(msgspec.Struct, frozen=True):
    """What an import came to, or in a dry run would come to."""

    file: str
    encoding: str
    delimiter: str
    columns: dict[str, str]
    unused_columns: tuple[str, ...]
    dry_run: bool
    counts: dict[str, int]
    refused: list[Wrong]
    refused_file: str | None


async def run(
    settings: Settings, console: Console, sheet: Sheet, wanted: Wanted, *, dry_run: bool, as_json: bool, url: str | None
) -> int:
    """Import a sheet and print what came of it. Exit code 1 where a row was refused."""
    shows = not as_json and sys.stderr.isatty()
    report = await imported(settings, sheet, wanted, dry_run=dry_run, url=url, shows=shows)
    if as_json:
        tell(report)
    else:
        _print(console, report)
    return 1 if report.refused else 0


async def imported(
    settings: Settings, sheet: Sheet, wanted: Wanted, *, dry_run: bool, url: str | None = None, shows: bool = False
) -> Report:
    """Check every row, and unless it is a dry run write what is new or changed. Raises UserError."""
    key = settings.environment.get("CONVERSE_API_KEY")
    async with http.client(url or f"http://{settings.host}:{settings.port}") as client:
        client.headers.update({"authorization": f"Bearer {key}"} if key else {})
        door = _Door(client, wanted)
        outcome = await _all(door, sheet, shows, "checking", dry_run=True, lines=None)
        if not dry_run and outcome.to_write:
            written = await _all(door, sheet, shows, "writing", dry_run=False, lines=outcome.to_write)
            outcome.counts -= Counter({each: outcome.counts[each] for each in ("new", "changed")})
            outcome.counts += written.counts
            outcome.wrong += written.wrong
    refused = None if dry_run else _write_refused(sheet, outcome)
    return Report(
        file=str(sheet.path),
        encoding=sheet.encoding,
        delimiter=sheet.delimiter,
        columns={each.header: name for name, each in wanted.columns.by_field.items()},
        unused_columns=wanted.columns.unused,
        dry_run=dry_run,
        counts={each: outcome.counts[each] for each in STANDINGS},
        refused=list(dict.fromkeys(sorted(outcome.wrong, key=lambda each: each.line))),
        refused_file=None if refused is None else str(refused),
    )


class _Door:
    """The API: a part of the list goes in, what each row comes to comes back."""

    def __init__(self, client: httpx.AsyncClient, wanted: Wanted) -> None:
        self._client = client
        self.wanted = wanted

    async def send(self, items: list[Item], line: int, *, dry_run: bool) -> list[dict[str, Any]]:
        """Raises UserError where nothing of this kind is taken, or the system stays away."""
        body = {"items": [each.body for each in items], "dry_run": dry_run, **self.wanted.more}
        trouble = ""
        for attempt in range(TRIES):
            try:
                answer = await self._client.post(self.wanted.path, json=body)
            except httpx.TransportError as error:
                trouble = f"{self._client.base_url} does not answer ({type(error).__name__}): is `converse up` running?"
            else:
                if answer.is_success:
                    told: list[dict[str, Any]] = answer.json()["items"]
                    return told
                trouble = _problem(answer)
                if answer.status_code != 429 and answer.status_code < 500:
                    raise UserError(trouble)
            await asyncio.sleep(min(0.25 * 2**attempt, 5))
        raise UserError(
            f"stopped at line {line}: {trouble} What was written stays; the same command goes on from there."
        )


async def _all(door: _Door, sheet: Sheet, shows: bool, what: str, *, dry_run: bool, lines: set[int] | None) -> Outcome:
    """Send the rows of a sheet, or those of some lines, in parts."""
    outcome = Outcome()
    seen: dict[str, int] = {}
    with _progress(shows) as progress:
        bar = progress.add_task(what, total=max(sheet.lines - 1, 1) if lines is None else len(lines))
        for part in _parts(sheet, door.wanted, outcome, seen, lines):
            told = await door.send([item for _, item in part], part[0][0], dry_run=dry_run)
            for (line, item), each in zip(part, told, strict=True):
                _take(outcome, seen, line, item, each)
            progress.update(bar, advance=len(part))
    return outcome


def _parts(
    sheet: Sheet, wanted: Wanted, outcome: Outcome, seen: dict[str, int], lines: set[int] | None
) -> Iterator[list[tuple[int, Item]]]:
    part: list[tuple[int, Item]] = []
    size = 0
    for row in sheet.rows():
        if lines is not None and row.line not in lines:
            continue
        try:
            item = wanted.item(row, wanted.columns)
        except Misfit as misfit:
            _refuse(outcome, [Wrong(row.line, column, message) for column, message in misfit.wrong])
            continue
        if item.key is not None and seen.setdefault(item.key, row.line) != row.line:
            _refuse(outcome, [Wrong(row.line, None, f"line {seen[item.key]} is of the same: leave one of them out")])
            continue
        part.append((row.line, item))
        size += len(msgspec.json.encode(item.body))
        if len(part) == ROWS or size > BYTES:
            yield part
            part, size = [], 0
    if part:
        yield part


def _take(outcome: Outcome, seen: dict[str, int], line: int, item: Item, told: dict[str, Any]) -> None:
    """What the system said of a row; one that names what a row before it named is refused."""
    key = told.get("key")
    if key is not None and seen.setdefault(f"key:{key}", line) != line:
        _refuse(outcome, [Wrong(line, None, f"line {seen[f'key:{key}']} is of the same: leave one of them out")])
        return
    if told["status"] == "refused":
        errors = told.get("errors", [])
        _refuse(outcome, [Wrong(line, item.places.get(each["path"]), _words(each, item)) for each in errors])
        return
    outcome.counts[told["status"]] += 1
    if told["status"] in ("new", "changed"):
        outcome.to_write.add(line)


def _words(error: dict[str, str], item: Item) -> str:
    """The message, with the field's name where no column of the file holds it."""
    path = error["path"]
    if path in item.places or not path.startswith("$.data."):
        return error["message"]
    name = path.removeprefix("$.data.")
    return f"{name} is missing: {error['message']}; fill it in, or name its column: --map 'HEADER={name}'"


def _refuse(outcome: Outcome, wrong: list[Wrong]) -> None:
    outcome.counts["refused"] += 1
    outcome.wrong += wrong


def _problem(answer: httpx.Response) -> str:
    try:
        told = answer.json()
    except ValueError:
        return f"HTTP {answer.status_code}: {answer.text[:200]}"
    hint = " Set CONVERSE_API_KEY to a key with its scope." if answer.status_code in (401, 403) else ""
    return f"{told.get('detail') or told.get('title') or answer.status_code}.{hint}"


def _write_refused(sheet: Sheet, outcome: Outcome) -> Path | None:
    """The refused rows with line and reason, in a file beside the sheet that only its owner reads."""
    if not outcome.wrong:
        return None
    reasons: dict[int, dict[str, None]] = {}
    for each in outcome.wrong:
        why = f"{each.column}: {each.message}" if each.column else each.message
        reasons.setdefault(each.line, {})[why] = None
    path = sheet.path.with_name(f"{sheet.path.stem}.refused.csv")
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8-sig", newline="") as file:
        out = csv.writer(file, delimiter=sheet.delimiter)
        out.writerow([*sheet.header, "line", "why"])
        for row in sheet.rows():
            if row.line in reasons:
                out.writerow([*row.values, row.line, "; ".join(reasons[row.line])])
    return path


def _print(console: Console, report: Report) -> None:
    used = ", ".join(f"{header} → {name}" for header, name in report.columns.items())
    name = f"{Path(report.file).name} ({report.encoding}, {report.delimiter!r})"
    console.print(Text(f"{name}: {used}", style="dim"), soft_wrap=True)
    if report.unused_columns:
        console.print(Text(f"not used: {', '.join(report.unused_columns)}", style="dim"), soft_wrap=True)
    for each in report.refused[:SHOWN]:
        where = f"line {each.line}" + (f", {each.column}" if each.column else "")
        console.print(Text(f"{where}: {each.message}", style="yellow"), soft_wrap=True)
    if len(report.refused) > SHOWN:
        console.print(f"… and {len(report.refused) - SHOWN} more (--json has all)")
    counts = ", ".join(f"{number} {standing}" for standing, number in report.counts.items())
    told = f"would be: {counts}. Nothing is written yet: add --write" if report.dry_run else counts
    console.print(Text(told, style="bold"))
    if report.refused_file:
        console.print(Text(f"the refused rows are in {report.refused_file}"), soft_wrap=True)


def _progress(shows: bool) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not shows,
        transient=True,
    )
