"""An app under load, as a process of its own: the last line it prints is what it did, by its books.

It goes on until its standard input closes, and sends everything then. On SIGTERM it ends at once,
and leaves in its spool what is unsent; whoever is started on that directory next sends it.
"""

import atexit
import json
import random
import signal
import sys
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from itertools import count
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import UUID

from watchkeeper import Backoff, Watchkeeper
from watchkeeper.sampling import is_kept

VISITORS = 2
TASKS = ("answer", "summary")
LATENCIES_MS = {8.0: "10", 120.0: "120", 121.0: "150", 2_000.0: "2000", 700_000.0: "inf"}
"""Each with the bucket that it belongs to."""
_BETWEEN_SESSIONS_S = 0.08
_SENT_WITHIN_S = 40.0


class Visitor(threading.Thread):
    """Somebody who talks with the app, one session after the other, and what came of it."""

    def __init__(
        self,
        client: Watchkeeper,
        name: str,
        rates: Mapping[str, float],
        chance: random.Random,
        stop: threading.Event,
    ) -> None:
        super().__init__(name=name)
        self.client, self.rates, self.chance, self.stop = client, rates, chance, stop
        self.kept: list[str] = []
        self.signalled: list[str] = []
        self.in_sessions: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.latencies: Counter[str] = Counter()
        self.tokens = 0

    def run(self) -> None:
        for number in count(1):
            session = f"{self.name}/{number}"
            with self.client.session(session):
                for call in range(self.chance.randint(1, 6)):
                    self.call(session, f"{session}/{call}")
            if self.stop.wait(_BETWEEN_SESSIONS_S):
                return

    def call(self, session: str, mark: str) -> None:
        task = self.chance.choice(TASKS)
        outcome = "error" if self.chance.random() < 0.1 else "ok"
        latency_ms = self.chance.choice(list(LATENCIES_MS))
        tokens = self.chance.randrange(500)
        # Most leave the id to the client; where a reaction may follow, it must be known.
        is_rated = self.chance.random() < 0.3
        sample_id = str(UUID(int=self.chance.getrandbits(128), version=4)) if is_rated else None
        self.client.record(
            task=task,
            prompt=f"{mark} " + "why? " * 60,
            response=("[Yes] " if outcome == "ok" else "[No] ") + "because " * 50,
            reference="yes",
            error=TimeoutError() if outcome == "error" else None,
            latency_ms=latency_ms,
            input_tokens=tokens,
            sample_id=sample_id,
        )
        if sample_id is not None:
            self.client.signal(sample_id, "thumbs", 1, task=task)
            self.signalled.append(sample_id)
        is_of_rate = is_kept(session, self.rates[task])
        if is_of_rate or outcome == "error":
            self.kept.append(mark)
        if is_of_rate:
            self.in_sessions[session] += 1
        self.outcomes[outcome] += 1
        self.latencies[LATENCIES_MS[latency_ms]] += 1
        self.tokens += tokens


def books(client: Watchkeeper, visitors: list[Visitor]) -> dict[str, Any]:
    """What all visitors did, and what the client says became of it."""
    return {
        "kept": [mark for visitor in visitors for mark in visitor.kept],
        "signalled": [sample_id for visitor in visitors for sample_id in visitor.signalled],
        "in_sessions": sum((visitor.in_sessions for visitor in visitors), Counter()),
        "outcomes": sum((visitor.outcomes for visitor in visitors), Counter()),
        "latencies": sum((visitor.latencies for visitor in visitors), Counter()),
        "tokens": sum(visitor.tokens for visitor in visitors),
        "stats": asdict(client.stats()),
    }


def send_everything(client: Watchkeeper, spool: Path) -> None:
    """Until all of this process is stored, and all that an earlier one left in the spool."""
    deadline = monotonic() + _SENT_WITHIN_S
    while monotonic() < deadline:
        is_sent = client.flush(1).complete and not client.stats().adopted.queued
        if is_sent and len(list(spool.glob("*.db"))) <= 1:  # its own
            return


def main(url: str, key: str, spool: str, name: str, rates: Mapping[str, float]) -> None:
    """Runs the app."""
    visitors: list[Visitor] = []
    # What is registered first runs last, when the client has closed.
    atexit.register(lambda: print(json.dumps(books(client, visitors))))
    client = Watchkeeper(
        url,
        key,
        app="support",
        release=name,
        sample_rate=rates,
        spool=spool,
        flush_at=50,
        flush_interval=0.2,
        backoff=Backoff(0.05, 0.5),
    )
    stop = threading.Event()

    def leave(*_: object) -> None:
        stop.set()
        sys.exit()

    visitors += [
        Visitor(client, f"{name}/{number}", rates, random.Random(f"{name}/{number}"), stop)
        for number in range(VISITORS)
    ]
    for visitor in visitors:
        visitor.start()
    signal.signal(signal.SIGTERM, leave)
    print("under way", flush=True)
    sys.stdin.read()
    stop.set()
    for visitor in visitors:
        visitor.join()
    send_everything(client, Path(spool))


if __name__ == "__main__":
    main(*sys.argv[1:5], json.loads(sys.argv[5]))
