"""No prompt, answer or user id reaches a log, whatever goes wrong."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import httpx
import psycopg
import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError, StatementError

from service import telemetry
from service.errors import NotFoundError
from service.flows.create_api_key import create_api_key
from tests.declared import declare_app
from tests.processes import free_port, is_ready
from tests.waiting import wait_for

PROMPT, USER = "the patient is called Alice", "alice@example.org"


@contextmanager
def served(database_url: str, log: Path) -> Iterator[str]:
    """`watchkeeper serve` as a process of its own, all it says in `log`."""
    port = free_port()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "service", "serve", "--port", str(port)],
            env=os.environ | {"WATCHKEEPER_DATABASE_URL": database_url},
            stdout=output,
            stderr=output,
        )
        try:
            wait_for(lambda: is_ready(port, process), what="the API")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(30)


@pytest.mark.parametrize(
    "trouble",
    [
        "ALTER TABLE samples ADD CONSTRAINT short CHECK (length(prompt) < 5)",
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " RAISE EXCEPTION 'no: %% of %%', NEW.prompt, NEW.user_id USING ERRCODE = '53100'; END $$;"
        " CREATE TRIGGER refuse BEFORE INSERT ON samples FOR EACH ROW EXECUTE FUNCTION refuse()",
    ],
    ids=["a row is refused", "a transient error"],
)
def test_the_log_of_a_failed_batch_holds_nothing_of_it(
    engine: Engine, database_url: str, tmp_path: Path, trouble: str
) -> None:
    now = datetime.now(UTC)
    declare_app(engine)
    key = create_api_key(engine, "support", now=now).secret
    with engine.begin() as connection:
        connection.exec_driver_sql(trouble)
    sample = {
        "sample_id": str(uuid4()),
        "called_at": now.isoformat(),
        "task": "answer",
        "prompt": PROMPT,
        "response": PROMPT,
        "user_id": USER,
        "keep_probability": 1,
    }
    body = {"batch_id": str(uuid4()), "samples": [sample], "call_counts": []}
    log = tmp_path / "log"
    with served(database_url, log) as url:
        headers = {"Authorization": f"Bearer {key}"}
        answer = httpx.post(f"{url}/v1/samples", json=body, headers=headers, timeout=30)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.status_code == (500 if "CHECK" in trouble else 503)
    said = log.read_text()
    assert ("CheckViolation" if "CHECK" in trouble else "DiskFull") in said
    for secret in ("Alice", "alice", key):
        assert secret not in said
        assert secret not in answer.text


def raised(error: Exception) -> Exception:
    try:
        try:
            raise ValueError(PROMPT)
        except ValueError as cause:
            raise error from cause
    except Exception as caught:
        return caught


@pytest.mark.parametrize(
    "error",
    [
        ValueError(PROMPT),
        UnicodeEncodeError("utf-8", PROMPT, 0, 1, "surrogates not allowed"),
        psycopg.errors.CheckViolation(PROMPT),
        DBAPIError.instance("COPY", None, psycopg.errors.CheckViolation(PROMPT), psycopg.Error),
        StatementError(PROMPT, PROMPT, [PROMPT], UnicodeEncodeError("utf-8", PROMPT, 0, 1, "no")),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_is_described_without_its_text(error: Exception) -> None:
    caught = raised(error)
    said = str([telemetry.described(caught), telemetry.traced(caught)])
    assert "Alice" not in said
    assert "test_privacy.py" in said
    assert "ValueError" in telemetry.traced(caught), "what caused it is named, too"


def test_our_own_errors_are_described_with_their_text() -> None:
    seen = telemetry.described(NotFoundError("There is no app"))
    assert (seen["error"], seen["text"]) == ("NotFoundError", "There is no app")
