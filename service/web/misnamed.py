"""Names that do not meet: calls of what nobody declared, and SLOs that no call ever reaches."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from difflib import get_close_matches

from sqlalchemy import Connection

from service.store.called_tasks import CalledTask, list_called_tasks, was_ever_called
from service.store.tasks import list_tasks
from service.web.standing import Standing

_LATELY = timedelta(days=1)
_SHOWN = 5


def find_misnamed(
    connection: Connection, standings: Sequence[Standing], *, now: datetime
) -> dict[int, tuple[str, ...]]:
    """The notices of every app that has any, by its id."""
    called = list_called_tasks(connection, now=now, within=_LATELY)
    declared: dict[int, set[str]] = {}
    for task in list_tasks(connection):
        declared.setdefault(task.app_id, set()).add(task.name)
    notices: dict[int, list[str]] = {}
    for app_id in sorted({each.app_id for each in called}):
        of_app = [each for each in called if each.app_id == app_id]
        notices[app_id] = _undeclared(of_app, declared.get(app_id, set()))
        notices[app_id] += _unreached(
            connection, of_app, [each for each in standings if each.stored.app_id == app_id]
        )
    return {app_id: tuple(found) for app_id, found in notices.items() if found}


def _undeclared(called: Sequence[CalledTask], declared: Collection[str]) -> list[str]:
    environments: dict[str, list[str]] = {}
    for _, environment, task in called:
        if task not in declared:
            environments.setdefault(task, []).append(environment)
    notices = [
        f"Calls come in for the task '{task}' in {', '.join(where)}, which is not declared, so "
        f"that nothing scores or watches them{_suggestion(task, declared)}"
        for task, where in list(environments.items())[:_SHOWN]
    ]
    if len(environments) > _SHOWN:
        notices.append(f"{len(environments) - _SHOWN} more tasks are called and not declared.")
    return notices


def _suggestion(task: str, declared: Collection[str]) -> str:
    close = get_close_matches(task, declared, n=1)
    return f"; did you mean '{close[0]}'?" if close else "."


def _unreached(
    connection: Connection, called: Sequence[CalledTask], standings: Sequence[Standing]
) -> list[str]:
    """SLOs without any call, where the same task is called in other environments.

    All that is kept is looked through only for an SLO that neither a day nor its window knows.
    """
    notices: dict[tuple[str, ...], list[str]] = {}
    for standing in standings:
        indicator = standing.stored.slo.indicator
        seen = [each.environment for each in called if each.task == indicator.task]
        if standing.n or not seen or indicator.environment in seen:
            continue
        if not was_ever_called(connection, standing.stored.app_id, indicator):
            names = notices.setdefault((indicator.environment, indicator.task, *seen), [])
            names.append(standing.stored.slo.name)
    return [
        f"{', '.join(names)}: no call of '{task}' ever came from the environment '{environment}'; "
        f"seen: {', '.join(seen)}."
        for (environment, task, *seen), names in notices.items()
    ]
