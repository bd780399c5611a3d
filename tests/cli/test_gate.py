import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from sqlalchemy import Engine
from typer.testing import CliRunner, Result

from service.cli import app
from service.cli.gate import ExitCode, ask_until, exit_code
from service.cli.gate_client import GateUnreachableError
from service.domain.slos import Consequence, Slo
from service.flows.watch_budgets import watch_budgets
from tests.declared import NOW
from tests.posted import Door, open_door
from tests.standing import a_tier, a_verdict, declare_policy, put

NAME = "support/answers-correct"


@pytest.fixture
def door(engine: Engine) -> Iterator[Door]:
    with open_door(engine) as door:
        yield door


@pytest.fixture
def slo(engine: Engine, door: Door) -> Slo:
    return declare_policy(engine, door.app, Consequence(0.1, "freeze"))


def gate(door: Door, *words: str, key: str | None = None) -> Result:
    environment = {
        "WATCHKEEPER_URL": str(door.client.base_url),
        "WATCHKEEPER_API_KEY": door.secret if key is None else key,
    }
    return CliRunner(env=environment).invoke(app, ["gate", *words])


def test_a_gate_that_passes_ends_with_0_and_says_what_is_left(
    engine: Engine, door: Door, slo: Slo
) -> None:
    put(engine, slo)
    result = gate(door, NAME)
    assert result.exit_code == ExitCode.PASS, result.output
    assert result.stdout.startswith("PASS  support/answers-correct\n")
    assert "60.0 % of the error budget is left" in result.stdout


def test_a_gate_that_fails_has_an_exit_code_of_its_own(
    engine: Engine, door: Door, slo: Slo
) -> None:
    put(engine, slo, verdict=a_verdict(0.02))
    watch_budgets(engine, now=NOW)
    result = gate(door, "answers-correct", "--json")
    assert result.exit_code == ExitCode.FAIL
    (answer,) = json.loads(result.stdout)
    assert answer["verdict"] == "fail"


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ([], ExitCode.UNKNOWN),
        (["--unknown", "pass"], ExitCode.PASS),
        (["--unknown", "fail"], ExitCode.FAIL),
    ],
)
def test_unknown_is_told_apart_or_counts_as_asked(
    engine: Engine, door: Door, slo: Slo, options: list[str], code: ExitCode
) -> None:
    put(engine, slo, "unknown", a_verdict(tiers=[a_tier("silence")]))
    result = gate(door, NAME, *options)
    assert result.exit_code == code
    assert result.stdout.startswith("UNKNOWN  support/answers-correct")


def test_a_server_that_cannot_be_reached_has_an_exit_code_of_its_own(door: Door) -> None:
    result = gate(door, NAME, "--url", "http://127.0.0.1:1")
    assert result.exit_code == ExitCode.UNREACHABLE
    assert door.secret not in result.output


@pytest.mark.parametrize(
    ("words", "key", "code", "said"),
    [
        (["answers"], None, ExitCode.REFUSED, "it has: answers-correct"),
        (["other/answers-correct"], None, ExitCode.REFUSED, "This key is for the app"),
        ([NAME], "wk_nobody", ExitCode.REFUSED, "401"),
        ([NAME], "", ExitCode.USAGE, "There is no API key"),
        (["../incidents"], None, ExitCode.USAGE, "not of the form"),
        ([NAME, "--wait", "soon"], None, ExitCode.USAGE, "allowed"),
    ],
)
def test_what_cannot_be_answered_is_neither_pass_nor_fail(
    door: Door, slo: Slo, words: list[str], key: str | None, code: ExitCode, said: str
) -> None:
    result = gate(door, *words, key=key)
    assert result.exit_code == code
    assert said in result.output


def answer(counted_as: str) -> Mapping[str, Any]:
    return {"counted_as": counted_as}


def test_the_worst_gate_decides() -> None:
    assert exit_code([answer("pass"), answer("unknown"), answer("fail")]) is ExitCode.FAIL
    assert exit_code([answer("pass"), answer("unknown")]) is ExitCode.UNKNOWN
    assert exit_code([answer("pass"), answer("pass")]) is ExitCode.PASS


class Server:
    """Answers in turn; a time of its own passes only while it is slept through."""

    def __init__(self, *answers: str | None) -> None:
        self.answers = list(answers)
        self.now = 0.0

    def ask(self) -> list[Mapping[str, Any]]:
        said = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if said is None:
            raise GateUnreachableError("away")
        return [answer(said)]

    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    def wait(self, seconds: float) -> list[Mapping[str, Any]]:
        return ask_until(self.ask, wait_s=seconds, sleep=self.pass_time, clock=lambda: self.now)


def test_waiting_ends_with_the_first_pass() -> None:
    server = Server("unknown", None, "fail", "pass")
    assert server.wait(600) == [answer("pass")]
    assert server.now == 45


def test_waiting_ends_with_its_time() -> None:
    server = Server("fail")
    assert server.wait(100) == [answer("fail")]
    assert server.now == 100
    with pytest.raises(GateUnreachableError):
        Server(None).wait(100)
