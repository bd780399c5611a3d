"""Tasks: how an app's capability is scored and watched."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert

from service.domain.reported_scores import ReportedRule
from service.store.tables import tasks


@dataclass(frozen=True, slots=True)
class EvaluatorChoice:
    """One evaluator of a task, as declared; `passes` has `at_least` and `at_most`.

    reported: the app gives these scores; nobody here does.
    """

    name: str
    config: dict[str, Any]
    passes: dict[str, float | None] | None
    reported: bool = False

    @property
    def reported_rule(self) -> ReportedRule:
        """When a score that the app reports is good."""
        return ReportedRule(**(self.passes or {}))


@dataclass(frozen=True, slots=True)
class StoredTask:
    """A task as declared."""

    app_id: int
    name: str
    contract: dict[str, Any] | None
    evaluators: tuple[EvaluatorChoice, ...]
    drift_evaluators: tuple[str, ...]
    sample_rate: float | None = None
    """Of its calls, to be kept whole; None: what is declared for the app, or set in it."""


_COLUMNS = [tasks.c[name] for name in StoredTask.__slots__]


def _task(row: Any) -> StoredTask:
    return StoredTask(
        row.app_id,
        row.name,
        row.contract,
        tuple(EvaluatorChoice(**choice) for choice in row.evaluators),
        tuple(row.drift_evaluators),
        row.sample_rate,
    )


def find_task(connection: Connection, app_id: int, name: str) -> StoredTask | None:
    """The task of that name."""
    query = select(*_COLUMNS).where(tasks.c.app_id == app_id, tasks.c.name == name)
    row = connection.execute(query).one_or_none()
    return _task(row) if row else None


def list_tasks(connection: Connection) -> Sequence[StoredTask]:
    """The tasks of all apps."""
    query = select(*_COLUMNS).order_by(tasks.c.app_id, tasks.c.name)
    return [_task(row) for row in connection.execute(query)]


def put_task(connection: Connection, task: StoredTask) -> None:
    """Create the task or bring it to this state."""
    statement = insert(tasks).values(
        app_id=task.app_id,
        name=task.name,
        contract=task.contract,
        evaluators=[asdict(choice) for choice in task.evaluators],
        drift_evaluators=list(task.drift_evaluators),
        sample_rate=task.sample_rate,
    )
    changed = ("contract", "evaluators", "drift_evaluators", "sample_rate")
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["app_id", "name"],
            set_={name: statement.excluded[name] for name in changed},
        )
    )
