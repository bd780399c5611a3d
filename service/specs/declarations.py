"""What a set of documents declares, checked and frozen."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from service.domain.slos import Slo
from service.specs.problems import Assumption


@dataclass(frozen=True, slots=True)
class AppSpec:
    """An app, the team that answers for it, and the channels that its messages go to.

    No `sample_rate`: what the app itself has set. No retention: what holds for the whole server.
    """

    name: str
    display_name: str
    team: str
    channels: tuple[str, ...]
    simulated: bool
    sample_rate: float | None = None
    samples_retention_days: int | None = None


@dataclass(frozen=True, slots=True)
class PassBounds:
    """From where to where a score counts as good; at least one of the two is given."""

    at_least: float | None
    at_most: float | None


@dataclass(frozen=True, slots=True)
class EvaluatorSpec:
    """An evaluator of a task. No `passes`: the evaluator's own rule.

    reported: the app evaluates its calls by itself and sends the scores.
    """

    name: str
    config: Mapping[str, Any]
    passes: PassBounds | None
    reported: bool = False


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """A task; `contract` is a JSON Schema, `drift` names evaluators of `evaluators`."""

    name: str
    app: str
    contract: Mapping[str, Any] | None
    evaluators: tuple[EvaluatorSpec, ...]
    drift: tuple[str, ...]
    sample_rate: float | None = None


@dataclass(frozen=True, slots=True, repr=False)
class ChannelSpec:
    """Where messages go. Path and query of webhook addresses hold tokens, so no repr shows them."""

    name: str
    type: str
    url: str
    secret: str | None

    def __repr__(self) -> str:
        address = urlsplit(self.url)
        # Not netloc: that may hold a password.
        return f"ChannelSpec({self.name!r}, {self.type!r}, {address.scheme}://{address.hostname})"


@dataclass(frozen=True, slots=True)
class SloSpec:
    """An SLO, its tiers included, and what people call it."""

    slo: Slo
    display_name: str


@dataclass(frozen=True, slots=True)
class Declarations:
    """Everything that a set of documents declares, in their order; what was assumed of them."""

    apps: tuple[AppSpec, ...] = ()
    tasks: tuple[TaskSpec, ...] = ()
    channels: tuple[ChannelSpec, ...] = ()
    slos: tuple[SloSpec, ...] = ()
    warnings: tuple[Assumption, ...] = ()


@dataclass(frozen=True, slots=True)
class Known:
    """What the database already holds, so that documents may refer to it.

    `evaluators`: the evaluators of each task, by (app, task). `slos`: by (app, name).
    """

    apps: frozenset[str] = frozenset()
    channels: frozenset[str] = frozenset()
    evaluators: Mapping[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    slos: Mapping[tuple[str, str], Slo] = field(default_factory=dict)
