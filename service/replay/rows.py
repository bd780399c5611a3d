"""Logs as streams of rows: CSV and JSON lines, plain or gzip. Memory holds one row at a time."""

import csv
import gzip
import json
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import Any, Self

from service.replay.errors import ReplayUsageError, UnreadableLogError, unknown_name

LINE_CHARACTERS = 32 * 2**20
"""Longest line and longest CSV field: far beyond what the wire takes, and still bounded."""
COLUMNS_SHOWN = 60
MISSING: Any = object()
"""What `value_at` finds where there is nothing; `None` is a value of JSON."""

_GZIP_MAGIC = b"\x1f\x8b"
_UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_SUFFIXES = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}


@dataclass(frozen=True, slots=True)
class Row:
    """One row, and its number in the file, from 0; broken rows are numbered too."""

    number: int
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class BrokenRow:
    """A row that cannot be read at all."""

    number: int
    reason: str


def read_rows(path: Path) -> Iterator[Row | BrokenRow]:
    """The rows of a log, in order. Blank lines are no rows.

    Raises:
        ReplayUsageError: Neither CSV nor JSON lines by its name.
        UnreadableLogError: Missing, damaged, or not in UTF-8 as a whole.
    """
    kind = _kind(path)
    with _opened(path, newline="" if kind == "csv" else "\n") as stream:
        yield from (_csv_rows(stream) if kind == "csv" else _json_rows(stream))


def value_at(values: Mapping[str, Any], column: str) -> Any:
    """The value of a column, or of a dotted path into nested JSON, or `MISSING`.

    >>> value_at({"response": {"choices": [{"text": "Hi"}]}}, "response.choices.0.text")
    'Hi'
    """
    if column in values:
        return values[column]
    found: Any = values
    for part in column.split("."):
        if isinstance(found, Mapping) and part in found:
            found = found[part]
        elif isinstance(found, list) and part.isdecimal() and int(part) < len(found):
            found = found[int(part)]
        else:
            return MISSING
    return found


def check_columns(path: Path, needed: set[str]) -> None:
    """Make sure that the log has these columns.

    The header of a CSV tells at once. JSON lines are read until each column was met, which
    normally is the first line.

    Raises:
        ReplayUsageError: Names a column that is nowhere, and those that are there.
    """
    if _kind(path) == "csv":
        with _opened(path, newline="") as stream:
            header = _header(_csv_reader(stream))
        if not header:
            raise UnreadableLogError(f"{path.name} has no header in its first line")
        _check_header(header, needed)
        return
    wanted, known = set(needed), dict[str, None]()
    for row in read_rows(path):
        if isinstance(row, BrokenRow):
            continue
        wanted -= {column for column in wanted if value_at(row.values, column) is not MISSING}
        if not wanted:
            return
        if len(known) < COLUMNS_SHOWN:
            known.update(dict.fromkeys(_paths(row.values)))
    if wanted and known:
        raise ReplayUsageError(unknown_name("column", min(wanted), list(known)[:COLUMNS_SHOWN]))


def _check_header(header: list[str], needed: set[str]) -> None:
    for column in sorted(needed):
        if column not in header:
            raise ReplayUsageError(unknown_name("column", column, header[:COLUMNS_SHOWN]))
        if header.count(column) > 1:
            raise ReplayUsageError(
                f"The header has the column {column!r} {header.count(column)} times; rename one"
            )


def _paths(values: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in values.items():
        if isinstance(value, Mapping) and prefix.count(".") < 3:
            yield from _paths(value, f"{prefix}{name}.")
        else:
            yield prefix + name


def _kind(path: Path) -> str:
    name = path.name.lower().removesuffix(".gz")
    for suffix, kind in _SUFFIXES.items():
        if name.endswith(suffix):
            return kind
    raise ReplayUsageError(
        f"{path.name} is neither CSV nor JSON lines by its name; "
        f"rename it to end in one of {', '.join(_SUFFIXES)}, with or without .gz"
    )


@contextmanager
def _opened(path: Path, *, newline: str) -> Iterator[TextIOWrapper]:
    try:
        with path.open("rb") as raw:
            start = raw.read(2)
            raw.seek(0)
            if start in _UTF_16_MARKS:
                raise UnreadableLogError(f"{path.name} is in UTF-16; convert it to UTF-8 first")
            stream = gzip.GzipFile(fileobj=raw) if start == _GZIP_MAGIC else raw
            # Bytes that are not UTF-8 become lone surrogates, which cost their own row only.
            with TextIOWrapper(
                stream, encoding="utf-8-sig", errors="surrogateescape", newline=newline
            ) as text:
                yield text
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise UnreadableLogError(f"{path.name} is damaged: {error}") from None
    except OSError as error:
        raise UnreadableLogError(f"{path} cannot be read: {error.strerror or error}") from None


class _LineTooLongError(Exception):
    """A line is longer than any row that could be sent."""


class _BoundedLines:
    """The lines of a stream; one without end is read over and raises, and the next one follows.

    A class and not a generator, because a generator ends with its first exception.
    """

    def __init__(self, stream: TextIOWrapper) -> None:
        self._stream = stream

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str:
        line = part = self._stream.readline(LINE_CHARACTERS)
        if not line:
            raise StopIteration
        while len(part) == LINE_CHARACTERS and part[-1] not in "\r\n":
            part = self._stream.readline(LINE_CHARACTERS)
        if part is not line:
            raise _LineTooLongError
        return line


def _csv_reader(stream: TextIOWrapper) -> Iterator[list[str]]:
    csv.field_size_limit(LINE_CHARACTERS)
    return csv.reader(_BoundedLines(stream))


def _header(reader: Iterator[list[str]]) -> list[str] | None:
    try:
        return next(reader, None)
    except (csv.Error, _LineTooLongError):
        raise UnreadableLogError("The first line cannot be read as the header of a CSV") from None


def _csv_rows(stream: TextIOWrapper) -> Iterator[Row | BrokenRow]:
    reader = _csv_reader(stream)
    header = _header(reader) or []
    number = 0
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except (csv.Error, _LineTooLongError):
            yield BrokenRow(number, "not readable as CSV")
        else:
            if not cells:
                continue
            if len(cells) == len(header):
                yield Row(number, dict(zip(header, cells, strict=True)))
            else:
                yield BrokenRow(number, "another number of columns than the header")
        number += 1


def _json_rows(stream: TextIOWrapper) -> Iterator[Row | BrokenRow]:
    lines = _BoundedLines(stream)
    number = 0
    while True:
        try:
            line = next(lines)
        except StopIteration:
            return
        except _LineTooLongError:
            yield BrokenRow(number, "line too long")
        else:
            if line.isspace():
                continue
            yield _json_row(number, line)
        number += 1


def _json_row(number: int, line: str) -> Row | BrokenRow:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError):
        return BrokenRow(number, "broken JSON")
    if not isinstance(values, dict):
        return BrokenRow(number, "not a JSON object")
    return Row(number, values)
