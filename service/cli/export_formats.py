"""The formats of an export: each writes samples to a stream as they come, and holds few of them."""

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from types import TracebackType
from typing import IO, Any, Protocol, Self

from service.api.schemas.stored_samples import describe_sample, encode
from service.domain.calls import SampleKey
from service.errors import WatchkeeperError
from service.store.exported_samples import StoredSample, StoredScore

Scores = Mapping[SampleKey, Sequence[StoredScore]]

GROUP_ROWS = 10_000
GROUP_CHARACTERS = 16_000_000
"""Of texts in a row group of Parquet, which is in memory until it is full."""
_WORDS = (
    *("environment", "task", "release", "model", "prompt_version", "outcome"),
    *("error_type", "prompt", "response", "reference"),
)
_TEXTS = ("prompt", "response", "reference", "attributes")


class MissingPyarrowError(WatchkeeperError):
    """Parquet files are written by pyarrow, which is not installed."""


class SampleWriter(Protocol):
    """Writes samples; complete when its block ends."""

    def write(self, samples: Sequence[StoredSample], scores: Scores | None) -> None:
        """`scores` of all of them, or None where they are not wanted."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


class JsonLines:
    """One JSON object a line, as `GET /v1/samples` has it."""

    def __init__(self, stream: IO[bytes], *, compressed: bool) -> None:
        self._gzip = gzip.GzipFile(fileobj=stream, mode="wb", mtime=0) if compressed else None
        self._stream: IO[bytes] | gzip.GzipFile = self._gzip or stream

    def write(self, samples: Sequence[StoredSample], scores: Scores | None) -> None:
        for sample in samples:
            self._stream.write(encode(describe_sample(sample, scores)) + b"\n")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._gzip is not None:
            self._gzip.close()


class Parquet:
    """One row a sample, columns typed, times in UTC; attributes are JSON text."""

    def __init__(self, stream: IO[bytes], *, with_scores: bool) -> None:
        try:
            import pyarrow as pa  # type: ignore[import-untyped]
            import pyarrow.parquet as pq  # type: ignore[import-untyped]
        except ImportError:
            raise MissingPyarrowError(
                "Install it with: pip install 'watchkeeper[parquet]', or export --format jsonl"
            ) from None
        self._pyarrow = pa
        self._schema = _schema(pa, with_scores)
        self._writer = pq.ParquetWriter(stream, self._schema, compression="zstd")
        self._rows: list[dict[str, Any]] = []
        self._characters = 0

    def write(self, samples: Sequence[StoredSample], scores: Scores | None) -> None:
        for sample in samples:
            row = _row(sample, scores)
            self._rows.append(row)
            self._characters += sum(len(row[name] or "") for name in _TEXTS)
            if len(self._rows) >= GROUP_ROWS or self._characters >= GROUP_CHARACTERS:
                self._write_group()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None and self._rows:
            self._write_group()
        self._writer.close()

    def _write_group(self) -> None:
        group = self._pyarrow.RecordBatch.from_pylist(self._rows, self._schema)
        self._writer.write_batch(group)
        self._rows, self._characters = [], 0


def _row(sample: StoredSample, scores: Scores | None) -> dict[str, Any]:
    row = describe_sample(sample, scores)
    row["sample_id"] = str(row["sample_id"])
    row["attributes"] = json.dumps(row["attributes"], ensure_ascii=False, sort_keys=True)
    if "scores" in row:
        row["scores"] = [asdict(score) for score in row["scores"]]
    return row


def _schema(pa: Any, with_scores: bool) -> Any:
    instant = pa.timestamp("us", tz="UTC")
    columns = [("sample_id", pa.string()), ("called_at", instant)]
    columns += [(name, pa.string()) for name in _WORDS]
    columns += [
        ("latency_ms", pa.float64()),
        ("input_tokens", pa.int64()),
        ("output_tokens", pa.int64()),
        ("cost_usd", pa.float64()),
        ("finish_reason", pa.string()),
        ("session_id", pa.string()),
        ("user_id", pa.string()),
        ("keep_probability", pa.float64()),
        ("attributes", pa.string()),
        ("received_at", instant),
    ]
    if with_scores:
        score = [
            ("evaluator", pa.string()),
            ("evaluator_version", pa.string()),
            ("value", pa.float64()),
            ("passed", pa.bool_()),
            ("label", pa.string()),
            ("explanation", pa.string()),
            ("weight", pa.float64()),
            ("scored_at", instant),
        ]
        columns.append(("scores", pa.list_(pa.struct(score))))
    return pa.schema(columns)
