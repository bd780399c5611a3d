"""Texts of the simulated app, put together from the sentences of `corpus.yaml`."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from random import Random
from typing import Any

import yaml

_SLOT = re.compile(r"\{(\w+)\}")
_STEPS = (3, 4, 5)
_NUMBERED_SHARE = 0.3
_NOTES = (0, 1, 1, 2)


@dataclass(frozen=True, slots=True)
class Topic:
    """What people write about, and who in the support team is asked then."""

    queue: str
    questions: Sequence[str]
    steps: Sequence[str]


@dataclass(frozen=True, slots=True)
class Corpus:
    """Sentences with {slots}, and what fills these."""

    topics: Sequence[Topic]
    openings: Sequence[str]
    notes: Sequence[str]
    closings: Sequence[str]
    refusals: Sequence[str]
    slots: Mapping[str, Sequence[str]]

    def question(self, topic: Topic, rng: Random) -> str:
        """What a customer writes."""
        return self._filled(rng.choice(topic.questions), rng)

    def answer(self, topic: Topic, rng: Random) -> str:
        """An answer of a model that works: opening, steps, sometimes a note, closing."""
        chosen = sorted(rng.sample(range(len(topic.steps)), rng.choice(_STEPS)))
        steps = [topic.steps[index] for index in chosen]
        opening, closing = rng.choice(self.openings), rng.choice(self.closings)
        notes = rng.sample(self.notes, rng.choice(_NOTES))
        if rng.random() < _NUMBERED_SHARE:
            listed = "\n".join(f"{number}. {step}" for number, step in enumerate(steps, start=1))
            text = "\n\n".join((opening, listed, " ".join((*notes, closing))))
        else:
            text = " ".join((opening, *steps, *notes, closing))
        return self._filled(text, rng)

    def refusal(self, rng: Random) -> str:
        """An answer of a model that declines."""
        return self._filled(rng.choice(self.refusals), rng)

    def _filled(self, text: str, rng: Random) -> str:
        """The same slot has the same value all over a text."""
        values = {name: rng.choice(self.slots[name]) for name in _slots_of(text)}
        return _SLOT.sub(lambda slot: values[slot[1]], text)


def _slots_of(text: str) -> list[str]:
    return list(dict.fromkeys(_SLOT.findall(text)))


@cache
def load_corpus() -> Corpus:
    """The corpus that comes with us."""
    read: dict[str, Any] = yaml.safe_load((files(__package__) / "corpus.yaml").read_text("utf-8"))
    topics = tuple(Topic(**topic) for topic in read.pop("topics"))
    return Corpus(topics=topics, **read)


def routing(topic: Topic, rng: Random) -> str:
    """The JSON with which a model says whom to pass a question to."""
    document = {
        "queue": topic.queue,
        "urgency": rng.choices(("low", "normal", "high"), (3, 6, 1))[0],
        "confidence": round(rng.uniform(0.55, 0.99), 2),
    }
    return json.dumps(document)


def broken_routing(topic: Topic, rng: Random) -> str:
    """What comes instead when the model forgets the contract: cut off, chatty, or incomplete."""
    whole = routing(topic, rng)
    return rng.choice(
        (
            whole[: len(whole) // 2],
            f"Sure! This belongs to the {topic.queue} queue.",
            json.dumps({"queue": topic.queue, "urgency": "whenever"}),
        )
    )
