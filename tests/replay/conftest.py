"""The server that stands in for the API."""

from collections.abc import Iterator

import pytest

from tests.replay.stand_in import StandIn, standing_in


@pytest.fixture
def server() -> Iterator[StandIn]:
    """Takes batches and keeps them in memory."""
    with standing_in() as stand_in:
        yield stand_in
