"""What an apply would do: the difference between what is in force and what documents declare."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from service.domain.field_changes import FieldChange, Fields, find_changes

Kind = Literal["channel", "app", "task", "slo"]
Action = Literal["create", "change", "revive", "unchanged", "archive", "keep"]

KINDS: tuple[Kind, ...] = ("channel", "app", "task", "slo")
"""Each may need those before it."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Something that documents declare; an app and a channel are of no app."""

    kind: Kind
    name: str
    app: str = ""

    def __str__(self) -> str:
        """As `slo support/answers-given`."""
        return f"{self.kind} {self.app}/{self.name}" if self.app else f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Stated:
    """An object as documents declare it: its fields, and what it cannot do without."""

    fields: Fields
    needs: frozenset[Subject] = frozenset()


@dataclass(frozen=True, slots=True)
class Held:
    """An object as it is stored.

    owners: the apps that it was last declared beside, in one set of documents; none: it was
    declared apart from its app, and no set takes it away.
    """

    stated: Stated
    owners: frozenset[str] = frozenset()
    is_archived: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """What happens to one object. `reason`: why it is kept although it is declared no more."""

    subject: Subject
    action: Action
    changes: tuple[FieldChange, ...] = ()
    reason: str = ""

    @property
    def is_change(self) -> bool:
        """Whether anything will be another way afterwards."""
        return self.action not in ("unchanged", "keep")

    @property
    def loosened(self) -> tuple[FieldChange, ...]:
        """The changes by which less is promised."""
        return tuple(change for change in self.changes if change.is_looser)


@dataclass(frozen=True, slots=True)
class Plan:
    """Every step, in the order in which they are taken."""

    steps: tuple[Step, ...] = ()

    def of(self, *actions: Action) -> tuple[Step, ...]:
        """The steps of these kinds."""
        return tuple(step for step in self.steps if step.action in actions)

    @property
    def has_changes(self) -> bool:
        """Whether anything will be another way afterwards."""
        return any(step.is_change for step in self.steps)

    @property
    def needs_consent(self) -> bool:
        """Whether something goes, or less is promised."""
        return any(step.action == "archive" or step.loosened for step in self.steps)


def make_plan(
    held: Mapping[Subject, Held],
    declared: Mapping[Subject, Stated],
    *,
    keep_missing: bool = False,
) -> Plan:
    """What brings `held` to what is declared.

    What an earlier set declared beside an app that this set declares too, and that this set does
    not declare, is archived, unless something that stays needs it.
    """
    steps = [_bring(subject, held.get(subject), stated) for subject, stated in declared.items()]
    steps.sort(key=lambda step: KINDS.index(step.subject.kind))
    missing = set() if keep_missing else _find_missing(held, declared)
    users = _find_users(held, declared, missing)
    gone = sorted(missing, key=lambda each: (-KINDS.index(each.kind), each.app, each.name))
    for subject in gone:
        if user := users.get(subject):
            steps.append(Step(subject, "keep", reason=f"{user} needs it"))
        else:
            steps.append(Step(subject, "archive"))
    return Plan(tuple(steps))


def _bring(subject: Subject, held: Held | None, stated: Stated) -> Step:
    if held is None:
        return Step(subject, "create")
    changes = find_changes(held.stated.fields, stated.fields)
    if held.is_archived:
        return Step(subject, "revive", changes)
    return Step(subject, "change" if changes else "unchanged", changes)


def _find_missing(held: Mapping[Subject, Held], declared: Mapping[Subject, Stated]) -> set[Subject]:
    apps = {subject.name for subject in declared if subject.kind == "app"}
    return {
        subject
        for subject, each in held.items()
        if subject not in declared and not each.is_archived and each.owners & apps
    }


def _find_users(
    held: Mapping[Subject, Held], declared: Mapping[Subject, Stated], missing: set[Subject]
) -> dict[Subject, Subject]:
    """Which of the missing are needed, directly or not, by what stays; and by what."""
    stays = {
        subject: each.stated
        for subject, each in held.items()
        if not each.is_archived and subject not in missing
    } | dict(declared)
    users: dict[Subject, Subject] = {}
    waiting = deque(sorted(stays.items(), key=lambda each: str(each[0])))
    while waiting:
        user, stated = waiting.popleft()
        for needed in (stated.needs & missing) - users.keys():
            users[needed] = user
            waiting.append((needed, held[needed].stated))
    return users
