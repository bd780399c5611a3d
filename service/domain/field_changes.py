"""What differs between two states of something declared, field by field, as people read it."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from service.domain.alert_windows import spell_duration

Fields = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Concealed:
    """A value that is compared but not shown: addresses of webhooks hold tokens."""

    value: str
    shown: str = "(not shown)"

    def __repr__(self) -> str:
        return self.shown


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field before and after; None: it was not given."""

    field: str
    old: Any
    new: Any

    def __str__(self) -> str:
        """As `objective: 0.98 -> 0.95`."""
        old, new = (_spell(self.field, value) for value in (self.old, self.new))
        if old == new:
            new = "another value"
        return f"{_DURATION.sub('', self.field)}: {old} -> {new}"

    @property
    def is_looser(self) -> bool:
        """Whether less is promised or watched by it, or fewer people are told."""
        return any(
            rule.fullmatch(self.field) is not None and _is_looser(self.old, self.new, towards)
            for rule, towards in _LOOSER
        )


def find_changes(old: Fields, new: Fields) -> tuple[FieldChange, ...]:
    """Field by field; members of a list are told apart by their name where they have one.

    >>> find_changes({"a": {"b": 1}, "c": [1]}, {"a": {"b": 2}, "c": [1]})
    (FieldChange(field='a.b', old=1, new=2),)
    """
    before, after = dict(_flatten(old)), dict(_flatten(new))
    return tuple(
        FieldChange(name, before.get(name), after.get(name))
        for name in before | after
        if before.get(name) != after.get(name)
    )


def spell_fields(fields: Fields) -> Iterator[str]:
    """Every field that is given.

    >>> list(spell_fields({"window_s": 86400.0, "indicator": {"task": "answer", "limit": None}}))
    ['window: 1 d', 'indicator.task: answer']
    """
    for name, value in _flatten(fields):
        yield f"{_DURATION.sub('', name)}: {_spell(name, value)}"


def _flatten(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _flatten(inner, f"{path}.{name}" if path else str(name))
    elif isinstance(value, (list, tuple)):
        if any(isinstance(each, (Mapping, list, tuple)) for each in value):
            for name, inner in zip(_names(value), value, strict=True):
                yield from _flatten(_nameless(inner), f"{path}[{name}]")
        elif value:
            yield path, tuple(value)
    elif value is not None:
        yield path, value


def _names(members: Iterable[Any]) -> list[str]:
    """What the members of a list are called, each another way."""
    names: list[str] = []
    for number, member in enumerate(members, start=1):
        name = _name(member) or str(number)
        names.append(name if name not in names else f"{name}, {number}")
    return names


_NAMING: tuple[tuple[str, ...], ...] = (
    ("severity", "long_s"),
    ("action", "at_remaining"),
    ("name",),
    ("slo",),
)
"""By which fields the members of a list are told apart: tiers, consequences, and others."""


def _name(member: Any) -> str:
    for names in _NAMING:
        if isinstance(member, Mapping) and all(name in member for name in names):
            return ", ".join(_spell(name, member[name]) for name in names)
    return ""


def _nameless(member: Any) -> Any:
    """Without what its name says already, unless that is all there is."""
    for names in _NAMING:
        if isinstance(member, Mapping) and all(name in member for name in names):
            rest = {name: value for name, value in member.items() if name not in names}
            return rest or {"is": "given"}
    return member


_DURATION = re.compile(r"_s$")
_Towards = Literal["down", "up", "away", "fewer"]
_LOOSER: tuple[tuple[re.Pattern[str], _Towards], ...] = (
    (re.compile(r"objective"), "down"),
    (re.compile(r"indicator\.limit"), "up"),
    (re.compile(r"budgeting\.slice_target"), "down"),
    (re.compile(r"channels|drift"), "fewer"),
    (re.compile(r"tiers\[.*\]\.factor"), "up"),
    (re.compile(r"tiers\[.*\]\.factor"), "away"),
    (re.compile(r"policy\[freeze, .*\]\.is"), "away"),
    (re.compile(r"evaluators\[.*\]\.passes\.at_least"), "down"),
    (re.compile(r"evaluators\[.*\]\.passes\.at_most"), "up"),
    (re.compile(r"evaluators\[.*\]\.passes\.at_(least|most)"), "away"),
)
"""By which changes less is promised or watched, or fewer people are told."""


def _is_looser(old: Any, new: Any, towards: _Towards) -> bool:
    if towards == "away":
        return old is not None and new is None
    if towards == "fewer":
        return not set(old or ()) <= set(new or ())
    if old is None or new is None:
        return False
    return bool(new < old if towards == "down" else new > old)


def _spell(name: str, value: Any) -> str:
    if value is None:
        return "nothing"
    if _DURATION.search(name) and isinstance(value, (int, float)):
        return spell_duration(timedelta(seconds=value))
    if isinstance(value, tuple):
        return ", ".join(str(each) for each in value)
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)
