"""The simulated support app: two tasks, and models that behave as told."""

from dataclasses import dataclass
from random import Random
from typing import Literal

from service.demo.corpus import Corpus, broken_routing, load_corpus, routing

APP = "support-demo"
TEAM = "demo"
ENVIRONMENT = "production"
RELEASE = "simulated-4.2"

TaskName = Literal["answer", "route"]


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Which models the app uses, and how often they go wrong."""

    answer_model: str
    refusal_rate: float
    route_model: str = "simulated-router-2026-09"
    error_rate: float = 0.002
    broken_json_rate: float = 0.01


BEFORE_UPDATE = Behaviour("simulated-model-2026-10", refusal_rate=0.005)
AFTER_UPDATE = Behaviour("simulated-model-2026-11", refusal_rate=0.6)

_ERRORS = ("ModelTimeout", "RateLimited", "ConnectionReset")
_CHARACTERS_PER_TOKEN = 4
_USD_PER_INPUT_TOKEN = 0.5e-6
_USD_PER_OUTPUT_TOKEN = 1.5e-6


@dataclass(frozen=True, slots=True)
class SimulatedCall:
    """One use of a model. `error_type` is None where it answered."""

    task: TaskName
    model: str
    prompt_version: str
    prompt: str
    response: str | None
    error_type: str | None
    latency_ms: float
    input_tokens: int
    output_tokens: int
    cost_usd: float


class SupportApp:
    """Makes calls up. The same seed and the same questions give the same calls."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._corpus: Corpus = load_corpus()

    def call(self, task: TaskName, behaviour: Behaviour) -> SimulatedCall:
        """A customer writes; a model answers, or passes the question on."""
        rng = self._rng
        topic = rng.choice(self._corpus.topics)
        prompt = self._corpus.question(topic, rng)
        response = None
        error_type = rng.choice(_ERRORS) if rng.random() < behaviour.error_rate else None
        if error_type is None and task == "answer":
            refuses = rng.random() < behaviour.refusal_rate
            response = self._corpus.refusal(rng) if refuses else self._corpus.answer(topic, rng)
        elif error_type is None:
            breaks = rng.random() < behaviour.broken_json_rate
            response = (broken_routing if breaks else routing)(topic, rng)
        return self._measured(task, behaviour, prompt, response, error_type)

    def _measured(
        self,
        task: TaskName,
        behaviour: Behaviour,
        prompt: str,
        response: str | None,
        error_type: str | None,
    ) -> SimulatedCall:
        is_answer = task == "answer"
        input_tokens = len(prompt) // _CHARACTERS_PER_TOKEN + (420 if is_answer else 180)
        output_tokens = len(response or "") // _CHARACTERS_PER_TOKEN
        cost_usd = input_tokens * _USD_PER_INPUT_TOKEN + output_tokens * _USD_PER_OUTPUT_TOKEN
        return SimulatedCall(
            task=task,
            model=behaviour.answer_model if is_answer else behaviour.route_model,
            prompt_version="answer-7" if is_answer else "route-3",
            prompt=prompt,
            response=response,
            error_type=error_type,
            latency_ms=round(self._rng.lognormvariate(5.5, 0.3) + 12 * output_tokens, 1),
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            cost_usd=round(cost_usd, 8),
        )
