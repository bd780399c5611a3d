"""Loaded by schemathesis: brings generated requests near enough to what exists to reach it.

Random times lie outside of what is taken in, random ids name no incident, and every request would
end at the door. About half of the requests are moved; the others stay as wild as they came.
"""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zlib import crc32

import schemathesis
from schemathesis import Case, HookContext

# What the test has declared; importing it here would cost each run of schemathesis the database.
NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
TEAM, APP = "care", "support"
INCIDENTS = 12


def chance(*of: object) -> int:
    """The same for the same request, so that a run can be repeated."""
    return crc32(json.dumps(of, default=repr, sort_keys=True).encode())


@schemathesis.hook
def map_case(_: HookContext, case: Case) -> Case:
    """The request, or one like it about something that is there."""
    number = chance(case.path, case.path_parameters, case.query, case.body)
    if number % 2:
        return case
    if case.path_parameters and "incident_id" in case.path_parameters:
        case.path_parameters["incident_id"] = 1 + number // 2 % INCIDENTS
    if case.query:
        known = {"team": TEAM, "app": APP, "week": f"{NOW:%G-W%V}"}
        case.query |= {name: known[name] for name in known if name in case.query}
    if case.method == "POST" and isinstance(case.body, dict) and "batch_id" in case.body:
        _bring_near(case.body)
    return case


def _bring_near(batch: dict[str, Any]) -> None:
    if isinstance(batch.get("batch_id"), str):
        # Many generated batches have one id: all but the first would be repetitions of it.
        batch["batch_id"] = str(UUID(int=chance(batch)))
    if "app" in batch:
        batch["app"] = APP
    times = {"samples": "called_at", "call_counts": "minute", "signals": "signalled_at"}
    for name, time in times.items():
        items = batch.get(name)
        for item in items if isinstance(items, list) else ():
            if isinstance(item, dict) and isinstance(item.get(time), str):
                minutes = chance(item) % (34 * 24 * 60)
                item[time] = (NOW - timedelta(minutes=minutes)).isoformat()
