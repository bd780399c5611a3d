"""What pages are handed; the API's `Resources` fit, and neither edge imports the other."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Protocol, cast

from fastapi import Depends, Request
from sqlalchemy import Engine

from evaluators.registry import Registry


class Resources(Protocol):
    """What one process works with; kept in `app.state.resources`."""

    @property
    def engine(self) -> Engine: ...

    @property
    def registry(self) -> Registry: ...

    @property
    def clock(self) -> Callable[[], datetime]: ...


def _resources(request: Request) -> Resources:
    return cast(Resources, request.app.state.resources)


WithResources = Annotated[Resources, Depends(_resources)]
