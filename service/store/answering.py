"""A connection that does not wait for ever for a server that has fallen silent.

The kernel notices a network that swallows packets (see `TCP_OPTIONS` in `engine.py`). It does not
notice a server or a pooler that takes our bytes and never answers; that takes a limit of our own.
"""

from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen

Answer = TypeVar("Answer")


class AnsweringConnection(psycopg.Connection[Any]):
    """Gives up, and closes, when one answer takes longer than `patience_s`; None waits for ever."""

    patience_s: float | None = None

    def wait(
        self, gen: PQGen[Answer], interval: float = 0.1, timeout: float | None = None
    ) -> Answer:
        """Every wait of psycopg for the server comes through here."""
        try:
            return super().wait(gen, interval, self.patience_s if timeout is None else timeout)
        except psycopg.OperationalError as error:
            # With a state it is the server's answer. Without one nobody knows what the server
            # still does: a connection in the middle of an answer cannot be used again.
            if error.sqlstate is None:
                self.close()
            raise
