"""The real logs beside the repository, where they are there."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

LOGS = Path(__file__).parents[3] / "shared" / "data" / "llmdrift"


@pytest.fixture
def llmdrift_rows() -> Callable[[str], list[dict[str, str]]]:
    """Reads one file of the LLMDrift logs; skips the test where they are not."""

    def read(name: str) -> list[dict[str, str]]:
        path = LOGS / name
        if not path.exists():
            pytest.skip(f"the LLMDrift logs are not there: {path}")
        with path.open(encoding="utf-8", newline="") as lines:
            return list(csv.DictReader(lines))

    return read
