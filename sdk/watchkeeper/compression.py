"""Batches are sent compressed: by zstd where this Python has it, otherwise by gzip."""

from __future__ import annotations

import functools
import gzip
import importlib
from typing import Any

_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_LEVEL = 1  # of gzip a tenth of the CPU time of level 6 for about a tenth more bytes


def compressed(body: bytes) -> bytes:
    """zstd takes a third of gzip's time, and makes less of it: of all that the SDK does for a call,
    gzip is the half."""
    zstd = _zstd()
    packed: bytes = zstd.compress(body, _LEVEL) if zstd else gzip.compress(body, _LEVEL)
    return packed


def decompressed(packed: bytes) -> bytes:
    """Of either; ValueError where zstd is not to be had."""
    if not packed.startswith(_ZSTD_MAGIC):
        return gzip.decompress(packed)
    zstd = _zstd()
    if zstd is None:
        raise ValueError("this batch was compressed by zstd, which this Python lacks")
    body: bytes = zstd.decompress(packed)
    return body


def encoding_of(packed: bytes) -> str:
    """For Content-Encoding: a batch from the spool may be of another process."""
    return "zstd" if packed.startswith(_ZSTD_MAGIC) else "gzip"


@functools.lru_cache(maxsize=1)
def _zstd() -> Any:
    # Of the standard library from Python 3.14 on; before it, the package, if the app has it
    return _imported("compression.zstd") or _imported("zstandard")


def _imported(module: str) -> Any:
    try:
        return importlib.import_module(module)
    except Exception:  # absent, or broken, or the interpreter is ending
        return None
