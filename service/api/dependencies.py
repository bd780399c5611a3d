"""What endpoints are handed: the database, the clock, the settings, the caller's app."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from anyio import CapacityLimiter
from fastapi import Depends, Request
from sqlalchemy import Engine

from evaluators.registry import Registry
from service.api.callers import Caller, Callers
from service.api.intake import Intake, Room
from service.domain.api_keys import Scope
from service.settings import Settings


@dataclass(frozen=True, slots=True)
class Resources:
    """What one API process works with; kept in `app.state.resources`."""

    engine: Engine
    registry: Registry
    settings: Settings
    clock: Callable[[], datetime]
    callers: Callers
    intake: Intake
    room: Room
    careful: CapacityLimiter
    """For reading what takes many times its size: one at a time."""


def resources_of(request: Request) -> Resources:
    """What the application that serves this request works with."""
    resources = request.app.state.resources
    assert isinstance(resources, Resources)  # noqa: S101 - set by wiring
    return resources


WithResources = Annotated[Resources, Depends(resources_of)]


def _reader(request: Request, resources: WithResources) -> Caller:
    return _caller_with("read", request, resources)


def _eraser(request: Request, resources: WithResources) -> Caller:
    return _caller_with("erase", request, resources)


def _corrector(request: Request, resources: WithResources) -> Caller:
    return _caller_with("correct", request, resources)


def _caller_with(scope: Scope, request: Request, resources: Resources) -> Caller:
    # Never from memory: a key that is revoked reads and removes nothing more.
    caller = resources.callers.look_up(request.headers.get("authorization", "")).require(scope)
    resources.callers.note_use(caller)
    return caller


Reader = Annotated[Caller, Depends(_reader)]
"""The caller, whose key may read what is stored."""
Eraser = Annotated[Caller, Depends(_eraser)]
"""The caller, whose key may remove what is stored."""
Corrector = Annotated[Caller, Depends(_corrector)]
"""The caller, whose key may say which minutes do not count."""
