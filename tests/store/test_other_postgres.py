"""The oldest PostgreSQL that we promise to run on, where it is installed."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, func, select, text

from evaluators import registry
from service.flows.detect_drift import detect_drift
from service.flows.evaluate_slos import evaluate_slos
from service.flows.score_samples import score_samples
from service.settings import Settings
from service.store import embedded, tables
from service.store.embedded import EmbeddedServer
from service.store.schema import migrate
from tests.declared import (
    LENGTH,
    NOW,
    PRIME,
    RETENTION,
    a_count,
    a_sample,
    declare_app,
    declare_slo,
    declare_task,
    post,
)

OLDEST = Path("/usr/lib/postgresql/15")
pytestmark = pytest.mark.skipif(
    not (OLDEST / "bin" / "initdb").exists(), reason="a PostgreSQL 15 server is not installed here"
)


@pytest.fixture
def oldest(monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """An engine on a migrated database of a PostgreSQL 15."""
    monkeypatch.setattr(embedded, "_installation", lambda: OLDEST)
    home = Path(tempfile.mkdtemp(prefix="watchkeeper-oldest-"))
    home.chmod(0o711)  # PostgreSQL passes through, as another account where we are root
    home.chmod(0o711)  # PostgreSQL passes through, as another account where we are root
    try:
        with EmbeddedServer(home, durable=False) as server:
            engine = create_engine(server.url)
            migrate(engine)
            yield engine
            engine.dispose()
    finally:
        shutil.rmtree(home, ignore_errors=True)


def test_the_path_of_a_sample_runs_on_postgresql_15(oldest: Engine) -> None:
    app = declare_app(oldest)
    declare_task(oldest, app, PRIME, LENGTH, drift=("length",))
    slo = declare_slo(oldest, app)
    sample = a_sample()
    post(oldest, app, [sample, a_sample(response="[No]")], [a_count(2)])
    receipt = post(oldest, app, [sample])
    assert receipt.duplicate == 1
    while score_samples(oldest, registry.load(), clock=lambda: NOW, lease=RETENTION):
        pass
    verdicts = evaluate_slos(oldest, registry.load(), now=NOW)
    assert verdicts.keys() == {f"{app.name}/{slo.name}"}
    assert len(detect_drift(oldest, registry.load(), Settings(), now=NOW)) == 1
    with oldest.connect() as connection:
        assert connection.scalar(text("SHOW server_version_num")).startswith("15")  # type: ignore[union-attr]
        assert connection.scalar(select(func.sum(tables.sli_minutes.c.n))) == 2
