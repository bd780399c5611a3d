"""How far a replay came: a small file, replaced as a whole after each acknowledged batch.

Losing it loses nothing: ids follow from the file and the options, so the server recognises what
it has. Only times relative to now are known from here alone.
"""

import json
import os
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from service.replay.errors import JournalError
from service.replay.plan import Span
from service.replay.receipts import Tally


@dataclass(frozen=True, slots=True)
class Entry:
    """The state of one replay."""

    span: Span | None
    batch_size: int
    """Batches must be cut as before: the last one may be stored without our knowing it."""
    acknowledged: int = 0
    """Calls, from the beginning, that the server has answered for."""
    tally: Tally = field(default_factory=Tally)
    recut: bool = False
    """The server refused a batch as a whole, so the next run may cut differently from here."""
    finished_at: datetime | None = None

    def after_batch(self, calls: int, tally: Tally) -> "Entry":
        """One more batch was acknowledged."""
        return replace(self, acknowledged=self.acknowledged + calls, tally=tally)


@dataclass(frozen=True, slots=True)
class Journal:
    """The file of one replay."""

    path: Path

    @classmethod
    def of(cls, state_dir: Path, replay_id: UUID) -> "Journal":
        """The journal of a replay, written or not."""
        return cls(state_dir / "replays" / f"{replay_id}.json")

    def read(self) -> Entry | None:
        """The state, or None where there is none."""
        try:
            return _from_json(json.loads(self.path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, AttributeError):
            raise JournalError(
                f"The journal {self.path} is damaged. Delete it to begin again; with absolute "
                "times nothing is stored twice"
            ) from None
        except OSError as error:
            raise self._unusable(error) from None

    def write(self, entry: Entry) -> None:
        """Replace the state; a reader sees the old one or the new one, never a part."""
        beside = self.path.with_suffix(f".{os.getpid()}.tmp")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            beside.write_text(json.dumps(_to_json(entry)), encoding="utf-8")
            beside.replace(self.path)
        except OSError as error:
            raise self._unusable(error) from None

    def _unusable(self, error: OSError) -> JournalError:
        return JournalError(
            f"The journal {self.path} cannot be used ({error.strerror or error}). "
            "Choose another folder with --state-dir"
        )


def _to_json(entry: Entry) -> dict[str, Any]:
    span, finished = entry.span, entry.finished_at
    return {
        "span": None if span is None else [span.start.isoformat(), span.end.isoformat()],
        "batch_size": entry.batch_size,
        "acknowledged": entry.acknowledged,
        "tally": entry.tally.to_json(),
        "recut": entry.recut,
        "finished_at": None if finished is None else finished.isoformat(),
    }


def _from_json(stored: dict[str, Any]) -> Entry:
    span, finished = stored["span"], stored["finished_at"]
    return Entry(
        span=None if span is None else Span(*map(_instant, span)),
        batch_size=int(stored["batch_size"]),
        acknowledged=int(stored["acknowledged"]),
        tally=Tally.from_json(stored["tally"]),
        recut=bool(stored["recut"]),
        finished_at=None if finished is None else _instant(finished),
    )


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
