"""Which share of an app's calls is kept whole, as declared on the server."""

from collections.abc import Mapping
from dataclasses import dataclass, field

LOWEST_RATE = 1e-5
"""Below it a weight (1 / probability) would drown all others."""


@dataclass(frozen=True, slots=True)
class SampleRates:
    """Declared rates; None where the app's own setting holds.

    >>> SampleRates(0.1, {"answer": 0.5}).of("answer")
    0.5
    >>> SampleRates(0.1, {"answer": 0.5}).of("summarise")
    0.1
    """

    default: float | None = None
    tasks: Mapping[str, float] = field(default_factory=dict)

    def of(self, task: str) -> float | None:
        """The rate declared for that task, or for the app."""
        return self.tasks.get(task, self.default)
