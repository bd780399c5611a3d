"""The figures at the end of a replay, as lines of a table. Pure."""

from collections.abc import Mapping

from service.replay.outgoing import Survey
from service.replay.replay_log import Outcome

_VALUE_CHARACTERS = 60


def list_outcome(outcome: Outcome) -> list[str]:
    """Where every row went."""
    tally = outcome.tally
    return [
        _line(outcome.calls + sum(outcome.skipped.values()), "rows read"),
        *_skipped(outcome.skipped),
        _line(outcome.calls, "calls sent"),
        _line(tally.accepted, "  stored"),
        _line(tally.duplicate, "  already there"),
        _line(tally.rejected, "  rejected by the server"),
        _line(tally.counts_rejected, "call counts rejected by the server"),
        *(_line(reason.count, f"  {reason.words}") for reason in tally.rejections.values()),
    ]


def list_survey(survey: Survey) -> list[str]:
    """What would be sent."""
    lines = [
        _line(survey.rows, "rows read"),
        *_skipped(survey.skipped),
        _line(survey.calls, "calls to send"),
    ]
    if survey.first is not None:
        lines += ["", "The first of them:"]
        lines += [
            f"  {field:<18} {_shortened(value)}"
            for field, value in survey.first.sample.items()
            if field != "sample_id"
        ]
    return lines


def _skipped(reasons: Mapping[str, int]) -> list[str]:
    most_first = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    return [
        _line(sum(reasons.values()), "rows skipped"),
        *(_line(count, f"  {reason}") for reason, count in most_first),
    ]


def _line(count: int, label: str) -> str:
    return f"{count:>12,}  {label}"


def _shortened(value: object) -> str:
    text = str(value)
    # Control characters of a log must not steer the terminal.
    shown = (c if c.isprintable() else ascii(c)[1:-1] for c in text[:_VALUE_CHARACTERS])
    return "".join(shown) + ("..." if len(text) > _VALUE_CHARACTERS else "")
