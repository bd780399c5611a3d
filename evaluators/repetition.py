"""Repetition: did the model get stuck in a loop?

    value = min(distinct, novelty)
    distinct = different 4-word sequences / all 4-word sequences   (1 - "seq-rep-4" of Welleck et
               al. 2020, "Neural Text Generation with Unlikelihood Training", arXiv 1908.04319)
    novelty  = min(1, compressed bytes / bytes / 0.2)              (compression as a sign of loops:
               Radford et al. 2022, "Whisper", arXiv 2212.04356, section 4.5)

Each sees what the other misses: a paragraph said four times (distinct), a loop inside one word or
in a script without spaces (novelty). Ordinary prose compresses to 0.4 - 0.6 of its bytes, lists and
tables to 0.25, loops to less than 0.1; hence 0.2 as full novelty, so that 0.5 is a loop.

Rule for short answers: below 100 characters the value is 1, label "short": there is no room for a
loop, and compression only measures its own header. Of a long answer the last 8,000 characters
count, for a model that gets stuck stays so until the end.
Cost tier: cheap.

What it cannot tell: a loop that was asked for (a refrain, a table of zeros) from one that was not;
the same thought said again in other words; a loop that the model left, early in a long answer.
"""

import zlib
from collections.abc import Sequence
from typing import ClassVar

from pydantic import BaseModel

from evaluators.contract import EvaluatorConfig, Sample, Score, Task, Tier

SHORT_CHARACTERS = 100
READ_CHARACTERS = 8_000
FULL_NOVELTY = 0.2  # compressed / original bytes; see above
LOOPS_BELOW = 0.5

SHORT = Score(1.0, "short")


class Repetition:
    """1 = no degenerate repetition, 0 = nothing but one."""

    name: ClassVar[str] = "repetition"
    revision: ClassVar[str] = "1"
    unit: ClassVar[str | None] = None
    tier: ClassVar[Tier] = "cheap"
    reads_contract: ClassVar[bool] = False
    Config: ClassVar[type[BaseModel]] = EvaluatorConfig

    def __init__(self, config: EvaluatorConfig, task: Task) -> None:
        pass

    def score_batch(self, samples: Sequence[Sample]) -> list[Score | None]:
        return [None if s.response is None else _score(s.response) for s in samples]


def _score(response: str) -> Score:
    if len(response) < SHORT_CHARACTERS:
        return SHORT
    text = response[-READ_CHARACTERS:]
    distinct, novelty = distinct_share(text), compression_novelty(text)
    value = min(distinct, novelty)
    if value >= LOOPS_BELOW:
        return Score(value, "varied")
    return Score(value, "loops", f"distinct 4-word share {distinct:.2f}, novelty {novelty:.2f}")


def distinct_share(text: str) -> float:
    """Different 4-word sequences among all of them, in (0, 1]; 1 where there are fewer than five.

    >>> distinct_share("to be or not to be or not to be or not")  # 4 of 9
    0.4444444444444444
    >>> distinct_share("one two three four")
    1.0
    """
    words = text.split()
    total = len(words) - 3
    if total < 2:
        return 1.0
    # strict=False: the shifted copies are shorter by design.
    return len(set(zip(words, words[1:], words[2:], words[3:], strict=False))) / total


def compression_novelty(text: str) -> float:
    """How much of the text is new to zlib, relative to `FULL_NOVELTY`, in (0, 1].

    >>> compression_novelty("ha" * 500) < 0.2
    True
    >>> compression_novelty("Compression finds little to save in one plain English sentence.")
    1.0
    """
    raw = text.encode("utf-8", "surrogatepass")
    return min(1.0, len(zlib.compress(raw, 1)) / len(raw) / FULL_NOVELTY) if raw else 1.0
