"""Where an export goes: a file that is there whole or not at all, or standard output."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from service.errors import InvalidInputError

STANDARD_OUTPUT = Path("-")


class UnwritableOutputError(InvalidInputError):
    """The output cannot be written."""


@contextmanager
def open_target(path: Path) -> Iterator[IO[bytes]]:
    """A stream of bytes to `path`.

    A regular file is written under another name beside it, readable by its owner alone, and takes
    its place at the end. Where the block raises, nothing is left of it and the old file stays.

    Raises:
        UnwritableOutputError: with the system's reason, at the beginning or where the disk is full.
    """
    try:
        if path == STANDARD_OUTPUT:
            yield sys.stdout.buffer
            sys.stdout.buffer.flush()
        elif path.exists() and not path.is_file():
            # A pipe or a device. It must not be replaced by a file.
            with path.open("wb") as stream:
                yield stream
        else:
            with _replacing(path.resolve()) as stream:
                yield stream
    except BrokenPipeError:
        raise  # who reads from us has enough: no error of theirs or ours
    except OSError as error:
        raise UnwritableOutputError(f"{path}: {error.strerror}") from None


@contextmanager
def _replacing(path: Path) -> Iterator[IO[bytes]]:
    number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    part = Path(name)
    try:
        with os.fdopen(number, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
