"""A plan as people read it, on 80 columns."""

from rich.console import Console
from rich.text import Text

from service.domain.plan import Action, Plan, Step

_SIGNS: dict[Action, tuple[str, str]] = {
    "create": ("+", "green"),
    "change": ("~", "yellow"),
    "revive": ("+", "green"),
    "archive": ("-", "red"),
    "keep": ("=", "dim"),
}
_SAID: dict[Action, str] = {
    "revive": "declared again, with its history",
    "archive": "archived: the documents declare it no more",
}
_COUNTED: tuple[tuple[tuple[Action, ...], str], ...] = (
    (("create", "revive"), "to create"),
    (("change",), "to change"),
    (("archive",), "to archive"),
    (("unchanged", "keep"), "unchanged"),
)


def print_plan(console: Console, plan: Plan) -> None:
    """Every step, the changed ones field by field, and how many there are of each kind."""
    for step in plan.steps:
        if step.action != "unchanged":
            _print_step(console, step)
    unchanged = plan.of("unchanged")
    if unchanged:
        names = ", ".join(str(step.subject) for step in unchanged)
        console.print(Text(f"  unchanged: {names}", "dim"))
    counts = ((len(plan.of(*actions)), what) for actions, what in _COUNTED)
    said = ", ".join(f"{count} {what}" for count, what in counts if count)
    console.print(Text(f"Plan: {said or 'nothing is declared'}."))


def _print_step(console: Console, step: Step) -> None:
    sign, style = _SIGNS[step.action]
    remark = f"kept: {step.reason}" if step.reason else _SAID.get(step.action, "")
    line = f"{sign} {step.subject}" + (f" ({remark})" if remark else "")
    console.print(Text(line, style))
    for change in step.changes:
        looser = "  (looser)" if change.is_looser else ""
        console.print(Text(f"    {change}{looser}"))
