"""How much of each task is kept whole: as the client was told, unless the server says otherwise."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Union

SampleRate = Union[float, Mapping[str, float]]
"""One rate for every task, or rates by task, where "*" stands for the tasks not named."""
OTHERS = "*"
LOWEST_RATE = 1e-5  # above 0; the server takes no keep_probability below 0.000001


class SampleRates:
    """The server's rate of the task goes before the server's default, and that before the client's
    own. For the sender's thread."""

    def __init__(self, own: SampleRate) -> None:
        self._own = dict(own) if isinstance(own, Mapping) else {OTHERS: own}
        self._stated: dict[str, float] = {}
        self._stated_default: float | None = None

    def of(self, task: str) -> float:
        rate = self._stated.get(task, self._stated_default)
        if rate is None:
            rate = self._own.get(task)
        return self._own.get(OTHERS, 1.0) if rate is None else rate

    def update(self, stated: object) -> None:
        """`sample_rates` of an answer: replaces all that was stated before; what is no rate in it
        is ignored, and so is anything that is no such object."""
        if not isinstance(stated, Mapping):
            return
        tasks = stated.get("tasks")
        rates = {
            task: rate
            for task, value in (tasks.items() if isinstance(tasks, Mapping) else ())
            if (rate := _rate_of(value)) is not None
        }
        self._stated, self._stated_default = rates, _rate_of(stated.get("default"))


def _rate_of(value: object) -> float | None:
    if type(value) not in (int, float) or not math.isfinite(value) or not 0 <= value <= 1:  # type: ignore[arg-type,operator]
        return None
    return max(float(value), LOWEST_RATE) if value else 0.0  # type: ignore[arg-type]
