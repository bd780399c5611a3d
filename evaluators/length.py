"""Length: how many characters the answer has.

Source: none needed; characters are Unicode code points, as PostgreSQL's `char_length` counts them.
Cost tier: cheap. Bounds are the task's own: `passes: {atLeast: 20, atMost: 2000}`.

What it cannot tell: whether a long answer says more than a short one; words or tokens; how wide the
text is on a screen (one emoji may be several code points).
"""

from collections.abc import Sequence
from typing import ClassVar

from pydantic import BaseModel

from evaluators.contract import EvaluatorConfig, Sample, Score, Task, Tier


class Length:
    """The answer's length in characters; 0 for an answer that is there and empty."""

    name: ClassVar[str] = "length"
    revision: ClassVar[str] = "1"
    unit: ClassVar[str | None] = "characters"
    tier: ClassVar[Tier] = "cheap"
    reads_contract: ClassVar[bool] = False
    Config: ClassVar[type[BaseModel]] = EvaluatorConfig

    def __init__(self, config: EvaluatorConfig, task: Task) -> None:
        pass

    def score_batch(self, samples: Sequence[Sample]) -> list[Score | None]:
        return [None if s.response is None else Score(float(len(s.response))) for s in samples]
