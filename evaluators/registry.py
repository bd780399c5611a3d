"""Finds evaluators by entry point and builds them for a task: ours and other people's alike.

Reading the list imports nothing. A plug-in that cannot be imported is reported, by name, when
somebody asks for it; all others go on working.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from pydantic import ValidationError

from evaluators.contract import Evaluator, PassRule, Task

GROUP = "watchkeeper.evaluators"
DECLARED = ("name", "revision", "unit", "tier", "Config", "score_batch")


class EvaluatorError(Exception):
    """The evaluator that was asked for cannot be built."""


class UnknownEvaluator(EvaluatorError):  # noqa: N818 - reads better in a plug-in's except clause
    """No evaluator has this name."""

    def __init__(self, name: str, allowed: tuple[str, ...], path: str = "/name") -> None:
        known = ", ".join(allowed) or "none is installed"
        super().__init__(f"{path}: there is no evaluator {name!r}; the evaluators are: {known}")
        self.name, self.allowed, self.path = name, allowed, path


class BrokenEvaluator(EvaluatorError):  # noqa: N818
    """The evaluator is installed, but it cannot be loaded."""

    def __init__(self, name: str, origin: str, reason: str) -> None:
        super().__init__(
            f"evaluator {name!r} of {origin} cannot be loaded: {reason}; repair or uninstall it"
        )
        self.name, self.origin, self.reason = name, origin, reason


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to correct. `path` is a JSON pointer: /config/..., /passes/... or /contract/..."""

    path: str
    reason: str


class InvalidConfig(EvaluatorError):  # noqa: N818
    """The evaluator exists, but its configuration, pass rule or the task's contract is wrong."""

    def __init__(self, name: str, *problems: Problem) -> None:
        reasons = "; ".join(f"{problem.path}: {problem.reason}" for problem in problems)
        super().__init__(f"evaluator {name!r}: {reasons}")
        self.name, self.problems = name, problems

    @property
    def path(self) -> str:
        """Where the first problem is."""
        return self.problems[0].path


@dataclass(frozen=True, slots=True)
class Built:
    """An evaluator ready to score one task. Scores of two versions are never put together."""

    name: str
    version: str
    unit: str | None
    evaluator: Evaluator
    passes: PassRule | None


@dataclass(frozen=True, slots=True)
class Entry:
    """Where an evaluator comes from, and how to get its class; nothing is imported before."""

    origin: str
    load: Callable[[], Any]


class Registry:
    """The evaluators that are installed, by name; `load` finds them."""

    def __init__(self, entries: Mapping[str, Entry]) -> None:
        self._entries = dict(entries)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self._entries))

    def find(self, name: str) -> type[Evaluator]:
        """The evaluator's class. Raises UnknownEvaluator or BrokenEvaluator."""
        entry = self._entries.get(name)
        if entry is None:
            raise UnknownEvaluator(name, self.names)
        try:
            found = entry.load()
        except Exception as error:
            # Whatever a plug-in does while it is imported is its own fault, and only its own.
            reason = f"{type(error).__name__}: {error}"
            raise BrokenEvaluator(name, entry.origin, reason) from error
        return _checked(name, entry.origin, found)

    def build(
        self, name: str, config: Mapping[str, Any], task: Task, passes: PassRule | None = None
    ) -> Built:
        """The evaluator, configured for the task. Raises an EvaluatorError that says what to do.

        Without a pass rule a score passes from 0.5 on; a measured quantity then has no rule.
        """
        found = self.find(name)
        settings = _settings(found, config)
        rule = _pass_rule(found, passes)
        version = _version(found, settings.model_dump(mode="json"), task, rule)
        try:
            evaluator = found(settings, task)
        except ValueError as error:
            raise InvalidConfig(name, Problem("/config", str(error))) from error
        return Built(name, version, found.unit, evaluator, rule)


def load() -> Registry:
    """All installed evaluators: every entry point of the group `watchkeeper.evaluators`."""
    entries: dict[str, Entry] = {}
    for point in entry_points(group=GROUP):
        entry = Entry(_origin(point), point.load)
        rival = entries.get(point.name)
        entries[point.name] = entry if rival is None else _ambiguous(rival, entry)
    return Registry(entries)


def _origin(point: EntryPoint) -> str:
    return f"{point.dist.name if point.dist else 'an unknown package'} ({point.value})"


def _ambiguous(first: Entry, second: Entry) -> Entry:
    """Two packages claim one name: nobody could tell whose scores these are; neither is used."""

    def refuse() -> Any:
        raise LookupError("two packages declare this name")

    return Entry(f"{first.origin} and {second.origin}", refuse)


def _checked(name: str, origin: str, found: Any) -> type[Evaluator]:
    missing = [attribute for attribute in DECLARED if not hasattr(found, attribute)]
    if missing:
        raise BrokenEvaluator(name, origin, f"it does not declare {', '.join(missing)}")
    if found.name != name:
        raise BrokenEvaluator(name, origin, f"it calls itself {found.name!r}")
    return found  # type: ignore[no-any-return]


def _settings(found: type[Evaluator], config: Mapping[str, Any]) -> Any:
    try:
        return found.Config.model_validate(dict(config))
    except ValidationError as error:
        allowed = ", ".join(found.Config.model_fields) or "none"
        problems = [
            Problem(
                "/".join(("/config", *(str(part) for part in fault["loc"]))),
                f"no such setting; the settings are: {allowed}"
                if fault["type"] == "extra_forbidden" and len(fault["loc"]) == 1
                else fault["msg"],
            )
            for fault in error.errors(include_url=False, include_input=False)
        ]
        raise InvalidConfig(found.name, *problems) from error


def _pass_rule(found: type[Evaluator], passes: PassRule | None) -> PassRule | None:
    if found.unit is not None:
        return passes
    if passes is None:
        return PassRule(at_least=0.5)
    for path, bound in (("/passes/atLeast", passes.at_least), ("/passes/atMost", passes.at_most)):
        if bound is not None and not 0 <= bound <= 1:
            raise InvalidConfig(found.name, Problem(path, f"{bound} is outside [0, 1]"))
    return passes


def _version(
    found: type[Evaluator], settings: Mapping[str, Any], task: Task, rule: PassRule | None
) -> str:
    # An evaluator that does not say whether it reads the contract is taken to read it: a version
    # too many is harmless, two meanings under one version are not.
    contract = task.contract if getattr(found, "reads_contract", True) else None
    passes = None if rule is None else {"at_least": rule.at_least, "at_most": rule.at_most}
    identity = {"config": settings, "contract": contract, "passes": passes}
    try:
        text = json.dumps(identity, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidConfig(
            found.name, Problem("/contract", f"cannot be written as JSON: {error}")
        ) from error
    return f"{found.revision}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
