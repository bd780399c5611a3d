"""An app with a channel, and signals about it."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine, text

from service.domain.incidents import AlertSignal
from service.domain.notifications import Channel
from service.store.apps import put_app
from service.store.channels import put_channel

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def add_app(engine: Engine, *channels: Channel, name: str = "support") -> AlertSignal:
    """Returns a page about the app's task `answer`, to be varied."""
    with engine.begin() as connection:
        for channel in channels:
            put_channel(connection, channel)
        app_id = put_app(
            connection,
            name=name,
            display_name=name.title(),
            team="care",
            simulated=False,
            channel_names=tuple(channel.name for channel in channels),
            now=NOON,
        )
    return AlertSignal(
        source=f"slo/{name}/answers-correct",
        kind="slo",
        app_id=app_id,
        app=name,
        environment="production",
        task="answer",
        severity="page",
        title=f"{name}: too few answers are correct",
        sentence="Half of the answers of the last hour are wrong",
        evidence={"burn_rate": 9.1},
    )


def ticket_of(signal: AlertSignal) -> AlertSignal:
    return replace(signal, severity="ticket")


def rows(engine: Engine, query: str) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]
