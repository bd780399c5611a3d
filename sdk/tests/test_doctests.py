import doctest
import importlib

import pytest


@pytest.mark.parametrize(
    "module",
    ["backoff", "digits", "latency", "masks", "repair", "sample_ids", "samples", "sampling"],
)
def test_examples_in_docstrings_hold(module):
    result = doctest.testmod(importlib.import_module(f"watchkeeper.{module}"))
    assert result.attempted > 0
    assert result.failed == 0
