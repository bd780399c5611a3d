"""Contract: is the response JSON and, where the task has a contract, does it keep it?

Source: JSON is RFC 8259, so NaN and Infinity are not; a name twice in one object, which that RFC
leaves open, is a fault here, for two readers would see two documents. Contracts are JSON Schema,
drafts 4 to 7, compiled once by `fastjsonschema`. One markdown fence around the document is allowed.
Cost tier: cheap.

What it cannot tell: whether the values are true; whether prose around a document was welcome (it
never is here); what else is wrong behind the first broken rule.
"""

import json
from collections.abc import Sequence
from typing import Any, ClassVar

from pydantic import BaseModel

from evaluators.contract import EvaluatorConfig, Sample, Score, Task, Tier
from evaluators.json_schema import CompiledSchema, SchemaError
from evaluators.registry import InvalidConfig, Problem

FENCE = "```"

VALID = Score(1.0, "valid")


class JsonContract:
    """1.0 = JSON that keeps the task's contract; 0.0 = "not_json" or "breaks_contract"."""

    name: ClassVar[str] = "contract"
    revision: ClassVar[str] = "1"
    unit: ClassVar[str | None] = None
    tier: ClassVar[Tier] = "cheap"
    reads_contract: ClassVar[bool] = True
    Config: ClassVar[type[BaseModel]] = EvaluatorConfig

    def __init__(self, _config: EvaluatorConfig, task: Task) -> None:
        try:
            self._schema = None if task.contract is None else CompiledSchema(task.contract)
        except SchemaError as error:
            raise InvalidConfig(self.name, Problem(f"/contract{error.path}", str(error))) from error

    def score_batch(self, samples: Sequence[Sample]) -> list[Score | None]:
        return [None if s.response is None else self._judge(s.response) for s in samples]

    def _judge(self, response: str) -> Score:
        try:
            document = _DECODER.decode(_without_fence(response.strip()))
        except RecursionError:
            return Score(0.0, "not_json", "it is nested too deeply to be read")
        except json.JSONDecodeError as error:
            # Only the place: the decoder's own words may hold text of the answer.
            return Score(0.0, "not_json", f"it stops being JSON at character {error.pos}")
        except ValueError as error:
            return Score(0.0, "not_json", str(error))
        fault = None if self._schema is None else self._schema.fault_in(document)
        return VALID if fault is None else Score(0.0, "breaks_contract", fault)


def _without_fence(text: str) -> str:
    """The text within one fence around all of it, or the text as it is.

    >>> _without_fence('```json\\n{}\\n```')
    '{}'
    """
    if not (text.startswith(FENCE) and text.endswith(FENCE) and "\n" in text):
        return text
    return text[text.index("\n") : -len(FENCE)].strip()


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = dict(pairs)
    if len(names) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return names


def _refuse_constant(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def _integer(digits: str) -> int:
    try:
        return int(digits)
    except ValueError as error:
        raise ValueError("a whole number has too many digits to be read") from error


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_constant=_refuse_constant, parse_int=_integer
)
