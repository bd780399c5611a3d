"""Long arrays as statement parameters, in PostgreSQL's binary format.

The driver would write them as text, element by element, in seven times the time.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from struct import Struct
from uuid import UUID

import psycopg
from psycopg.abc import Buffer
from psycopg.adapt import Dumper
from psycopg.pq import Format

from service.store.binary_rows import micros_since_2000

_UUID, _UUIDS = 2950, 2951
_INSTANT, _INSTANTS = 1184, 1185
"""Types of PostgreSQL, and of arrays of them: the same in every installation (pg_type.dat)."""
_header = Struct("!iiiii").pack  # dimensions, whether nulls, element type, size, first index
_uuid = Struct("!i16s").pack
_integer = Struct("!iq").pack


@dataclass(frozen=True, slots=True)
class UuidArray:
    """Encoded UUIDs."""

    encoded: bytes


@dataclass(frozen=True, slots=True)
class InstantArray:
    """Encoded times."""

    encoded: bytes


def uuid_array(values: Iterable[UUID]) -> UuidArray:
    """A parameter of type `uuid[]`."""
    return UuidArray(_array(_UUID, [_uuid(16, value.bytes) for value in values]))


def instant_array(values: Iterable[datetime]) -> InstantArray:
    """A parameter of type `timestamptz[]`."""
    return InstantArray(
        _array(_INSTANT, [_integer(8, micros_since_2000(value)) for value in values])
    )


def _array(element_type: int, elements: list[bytes]) -> bytes:
    if not elements:
        return Struct("!iii").pack(0, 0, element_type)
    return _header(1, 0, element_type, len(elements), 1) + b"".join(elements)


class _UuidArrayDumper(Dumper):
    format = Format.BINARY
    oid = _UUIDS

    def dump(self, obj: UuidArray) -> Buffer | None:
        return obj.encoded


class _InstantArrayDumper(Dumper):
    format = Format.BINARY
    oid = _INSTANTS

    def dump(self, obj: InstantArray) -> Buffer | None:
        return obj.encoded


psycopg.adapters.register_dumper(UuidArray, _UuidArrayDumper)
psycopg.adapters.register_dumper(InstantArray, _InstantArrayDumper)
