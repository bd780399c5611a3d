"""`watchkeeper gate`: may this be released? For pipelines, by the server's API."""

import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from enum import Enum, IntEnum
from typing import Annotated, Any

import typer

from service.cli.gate_client import (
    GateClient,
    GateRefusedError,
    GateUnreachableError,
    GateUsageError,
)
from service.specs.durations import parse_duration

ASK_EVERY_S = 15.0
"""As often as SLOs are evaluated."""
_NAME = re.compile(r"([a-z0-9][a-z0-9._-]{0,62}/)?[a-z0-9][a-z0-9._-]{0,62}")


class ExitCode(IntEnum):
    """What a pipeline can tell apart."""

    PASS = 0
    REFUSED = 1
    USAGE = 2
    FAIL = 3
    UNKNOWN = 4
    UNREACHABLE = 5


class UnknownCounts(Enum):
    """What an unknown verdict counts as."""

    PASS = "pass"  # noqa: S105 - it lets through, and is no password
    FAIL = "fail"


Names = Annotated[list[str], typer.Argument(metavar="[APP/]NAME...", help="SLOs of the key's app.")]
Url = Annotated[
    str, typer.Option("--url", envvar="WATCHKEEPER_URL", help="Where Watchkeeper answers.")
]
ApiKey = Annotated[
    str,
    typer.Option(
        "--api-key",
        envvar="WATCHKEEPER_API_KEY",
        show_default=False,
        help="A key of the app with the scope read.",
    ),
]
Unknown = Annotated[
    UnknownCounts | None,
    typer.Option(
        "--unknown",
        help="Count an unknown verdict as this. [default: neither; it has an exit code of its own]",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the server's answers, as a JSON array.")]
Wait = Annotated[
    str | None,
    typer.Option(
        "--wait",
        metavar="DURATION",
        help="Ask again for so long until every gate passes, like 10m or 1h.",
    ),
]


def gate(
    names: Names,
    url: Url = "http://127.0.0.1:8000",
    api_key: ApiKey = "",
    unknown: Unknown = None,
    as_json: Json = False,
    wait: Wait = None,
) -> None:
    """May this be released? By the error budgets and alerts of SLOs.

    Exit codes: 0 every gate passes; 3 one fails; 4 none fails, but one is unknown; 5 the server
    cannot be reached or cannot say; 1 it refuses the key or knows no such SLO; 2 wrong usage.
    """
    counts = unknown.value if unknown else "unknown"
    try:
        wait_s = _seconds(wait)
        _check(names)
        with GateClient(url, api_key) as client:
            answers = ask_until(
                lambda: [client.ask(name, unknown=counts) for name in names], wait_s=wait_s
            )
    except GateUsageError as error:
        _stop(error, ExitCode.USAGE)
    except GateUnreachableError as error:
        _stop(error, ExitCode.UNREACHABLE)
    except GateRefusedError as error:
        _stop(error, ExitCode.REFUSED)
    else:
        _print(answers, as_json=as_json)
        raise typer.Exit(exit_code(answers))


def ask_until(
    ask: Callable[[], list[Mapping[str, Any]]],
    *,
    wait_s: float,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> list[Mapping[str, Any]]:
    """The answers once all of them pass, or those at the end of the time.

    Raises:
        GateUnreachableError: there was none at the end.
    """
    until = clock() + wait_s
    while True:
        try:
            answers = ask()
            if exit_code(answers) is ExitCode.PASS or clock() >= until:
                return answers
        except GateUnreachableError:
            if clock() >= until:
                raise
        sleep(min(ASK_EVERY_S, max(0.0, until - clock())))


def exit_code(answers: Sequence[Mapping[str, Any]]) -> ExitCode:
    """The worst of them."""
    counted = {answer["counted_as"] for answer in answers}
    if "fail" in counted:
        return ExitCode.FAIL
    return ExitCode.PASS if counted == {"pass"} else ExitCode.UNKNOWN


def _print(answers: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(answers, indent=2))
        return
    for answer in answers:
        counted = answer["counted_as"]
        as_what = "" if counted == answer["verdict"] else f" (counted as {counted})"
        typer.echo(f"{answer['verdict'].upper()}  {answer['app']}/{answer['slo']}{as_what}")
        typer.echo(f"  {answer['status']} since {answer['since'] or 'never evaluated'}")
        for reason in answer["reasons"]:
            typer.echo(f"  - {reason}")


def _stop(error: Exception, code: ExitCode) -> None:
    typer.echo(f"Error: {error}", err=True)
    raise typer.Exit(code) from None


def _seconds(wait: str | None) -> float:
    if wait is None:
        return 0.0
    try:
        return parse_duration(wait).total_seconds()
    except ValueError as error:
        raise GateUsageError(f"--wait {wait!r}: {error}") from None


def _check(names: Sequence[str]) -> None:
    for name in names:
        if not _NAME.fullmatch(name):
            raise GateUsageError(f"{name!r} is not of the form NAME or APP/NAME")
