"""Every YAML block about SLOs in docs/declarations.md is read as it stands, without a warning."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.specs.written import KNOWN, an_slo, read

PAGE = Path(__file__).parents[2] / "docs" / "declarations.md"
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE.read_text().split("\n## SLO\n")[1], re.DOTALL)


def as_document(block: str) -> dict[str, Any]:
    """The SLO that a block shows a part of."""
    # An indicator and, less indented, the objective that goes with it.
    indicator, _, rest = block.partition("  # ...\n")
    found = {**yaml.safe_load(indicator), **(yaml.safe_load(rest) or {})}
    if "apiVersion" in found:
        return found
    metrics = {name: found.pop(name) for name in list(found) if name.endswith("Metric")}
    if metrics:
        found["indicator"] = {"spec": metrics}
    if "timeSliceWindow" in str(found):
        found["budgetingMethod"] = "Timeslices"
    return an_slo("shown", **found)


@pytest.mark.parametrize("block", BLOCKS)
def test_a_documented_block_is_read_as_it_stands(block: str) -> None:
    others = [an_slo("available"), an_slo("answers-given")]
    document = as_document(block)
    name = document["metadata"]["name"]
    found = read(
        *(each for each in others if each["metadata"]["name"] != name),
        document,
        strict=True,
        known=KNOWN,
    )
    assert name in [spec.slo.name for spec in found.slos]


def test_the_page_has_examples() -> None:
    assert len(BLOCKS) == 7
