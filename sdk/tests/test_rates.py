import math

import pytest

from watchkeeper.rates import SampleRates


def test_the_server_goes_before_the_client_and_a_task_before_the_rest():
    rates = SampleRates({"answer": 0.5, "*": 0.2})
    assert (rates.of("answer"), rates.of("other")) == (0.5, 0.2)
    rates.update({"default": 0.1, "tasks": {"summarise": 1}})
    assert (rates.of("summarise"), rates.of("answer"), rates.of("other")) == (1.0, 0.1, 0.1)
    rates.update({"default": None, "tasks": {"other": 0}})
    assert (rates.of("summarise"), rates.of("answer"), rates.of("other")) == (0.2, 0.5, 0.0)


def test_tasks_that_no_rate_names_are_kept_whole():
    assert SampleRates({"answer": 0.5}).of("other") == 1.0
    assert SampleRates(0.3).of("other") == 0.3


@pytest.mark.parametrize("junk", [None, 0.1, [], "x", {"tasks": [1]}, {"default": "half"}])
def test_what_is_no_rate_is_ignored(junk):
    rates = SampleRates(0.5)
    rates.update(junk)
    assert rates.of("t") == 0.5


def test_one_wrong_rate_spoils_no_other():
    rates = SampleRates(0.5)
    tasks = {"a": math.nan, "b": 2, "c": True, "d": -0.1, "e": 0.25, "f": 1e-9}
    rates.update({"default": math.inf, "tasks": tasks})
    assert [rates.of(task) for task in "abcdef"] == [0.5, 0.5, 0.5, 0.5, 0.25, 1e-5]
