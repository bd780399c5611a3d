"""SDK instances as tests need them."""

from dataclasses import replace
from typing import Any
from uuid import uuid4

from sqlalchemy import Engine

from service.domain.instances import Ledger, SdkInstance
from service.store.apps import App
from service.store.sdk_instances import Heard, put_instances
from tests.declared import NOW


def a_ledger(**changes: Any) -> Ledger:
    """An empty one, with these changes."""
    return replace(Ledger(0, 0, 0, 0, {}, 0, {}), **changes)


def an_instance(ledger: Ledger, *, sequence: int = 1, **changes: Any) -> SdkInstance:
    """An instance that has just begun, with these changes."""
    new = SdkInstance(uuid4(), NOW, sequence, "production", "1.4.0", "python/0.1.0", ledger)
    return replace(new, **changes)


def hear(
    engine: Engine,
    app: App,
    instance: SdkInstance,
    *,
    stored: int = 0,
    rejected: int = 0,
    now: Any = NOW,
) -> None:
    """A batch of the instance has come."""
    with engine.begin() as connection:
        put_instances(connection, [Heard(app.id, instance, stored, rejected)], now=now)
