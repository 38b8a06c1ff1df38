"""A list in a CSV file, as spreadsheets write it: its encoding, its delimiter, and its rows with their lines, read as a stream."""

import codecs
import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

DELIMITERS = ",;\t|"
SAMPLE = 64 * 1024
"""Bytes that are looked at to tell what a file is."""
BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


class Unreadable(Exception):
    """The file is no list that we can read; the message says what would be."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row: the line where it begins (1 is the file's first), its values as they stand; `wrong` where it is none."""

    line: int
    values: tuple[str, ...]
    wrong: str | None = None


@dataclass(frozen=True, slots=True)
class Sheet:
    """A file whose first row names its columns. `lines` is how many it has, about: a row may have several."""

    path: Path
    encoding: str
    delimiter: str
    header: tuple[str, ...]
    lines: int

    @classmethod
    def of(cls, path: Path) -> "Sheet":
        """Look at a file. Raises Unreadable."""
        try:
            encoding, lines = _encoding(path)
            with path.open(encoding=encoding, newline="") as file:
                delimiter, header, _, _ = _begin(file)
        except OSError as error:
            raise Unreadable(f"{path} cannot be read: {error.strerror}") from error
        except (UnicodeError, csv.Error) as error:
            raise Unreadable(f"{path} is no CSV file: save the sheet as CSV (UTF-8)") from error
        named = [name.casefold() for name in header if name]
        if not named:
            raise Unreadable(f"{path}: the first row has to name the columns, and it is empty")
        twice = sorted({name for name in named if named.count(name) > 1})
        if twice:
            raise Unreadable(f"{path}: the column {twice[0]!r} stands there twice: rename one")
        return cls(path, encoding, delimiter, header, lines)

    def rows(self) -> Iterator[Row]:
        """The rows after the first one, one at a time; empty ones are left out."""
        with self.path.open(encoding=self.encoding, newline="") as file:
            _, _, reader, skipped = _begin(file)
            while True:
                line = reader.line_num + skipped + 1
                try:
                    values = next(reader)
                except StopIteration:
                    return
                except csv.Error:
                    yield Row(line, (), "a value is too long: a quote that begins here may never end")
                    continue
                if any(value.strip() for value in values):
                    yield self._row(line, values)

    def _row(self, line: int, values: list[str]) -> Row:
        while len(values) > len(self.header) and not values[-1].strip():
            values.pop()
        wrong = None
        if len(values) > len(self.header):
            wrong = (
                f"there are {len(values)} values for {len(self.header)} columns:"
                f" put a value that holds {self.delimiter!r} in double quotes"
            )
        padded = [*values, *[""] * (len(self.header) - len(values))]
        return Row(line, tuple(value.strip() for value in padded), wrong)


def _begin(file: IO[str]) -> tuple[str, tuple[str, ...], Any, int]:
    """The delimiter, the header, a csv.reader that stands behind it, and how many lines stand before it."""
    sample = file.read(SAMPLE)
    file.seek(0)
    told, skipped = None, 0
    if sample[:5].lower() in {f"sep={each}" for each in DELIMITERS}:  # Excel's own line
        told, skipped = sample[4], 1
        file.readline()
    delimiter = told or _delimiter(sample)
    reader = csv.reader(file, delimiter=delimiter)
    header = tuple(name.strip() for name in next(reader, []))
    while header and not header[-1]:
        header = header[:-1]
    return delimiter, header, reader, skipped


def _delimiter(sample: str) -> str:
    """What csv.Sniffer says, where the first row agrees: amounts such as 1,25,000 have mislead it."""
    first = sample.splitlines()[0] if sample.strip() else ""
    often = max(DELIMITERS, key=first.count)
    try:
        sniffed = csv.Sniffer().sniff(sample[:8192], DELIMITERS).delimiter
    except csv.Error:
        return often
    return sniffed if first.count(sniffed) == first.count(often) else often


def _encoding(path: Path) -> tuple[str, int]:
    """The encoding of a file and how many lines it has. UTF-8 where it is, else what Excel in Windows writes."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    is_utf8, lines, ends = True, 0, b"\n"
    with path.open("rb") as file:
        start = file.read(SAMPLE)
        encoding = next((name for bom, name in BOMS if start.startswith(bom)), None)
        if encoding is None and b"\0" in start:
            encoding = "utf-16-le" if start[1::2].count(0) >= start[::2].count(0) else "utf-16-be"
        chunk = start
        while chunk:
            lines += chunk.count(ends)
            if encoding is None and is_utf8:
                try:
                    decoder.decode(chunk)
                except UnicodeDecodeError:
                    is_utf8 = False
            chunk = file.read(1024 * 1024)
        if encoding is None and is_utf8:
            try:
                decoder.decode(b"", final=True)
            except UnicodeDecodeError:
                is_utf8 = False
    return encoding or ("utf-8" if is_utf8 else "cp1252"), lines
