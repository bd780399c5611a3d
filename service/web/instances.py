"""The view of an app's SDK instances: is every call accounted for?"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine

from service.domain.accounts import SILENT_AFTER, Account, find_fault, find_silence
from service.domain.instances import SdkInstance
from service.store.apps import App
from service.store.known_apps import require_app
from service.store.sdk_instances import StoredInstance, Totals, list_instances, sum_instances

LATELY = timedelta(days=7)
SHOWN = 200


@dataclass(frozen=True, slots=True)
class InstanceRow:
    """One instance, and what is wrong with it."""

    instance: SdkInstance
    account: Account
    seen_at: datetime
    fault: str | None
    silence: str | None

    @classmethod
    def of(cls, stored: StoredInstance, now: datetime) -> "InstanceRow":
        return cls(
            instance=stored.instance,
            account=stored.account,
            seen_at=stored.seen_at,
            fault=find_fault(stored.account),
            silence=find_silence(stored.account, seen_at=stored.seen_at, now=now),
        )


@dataclass(frozen=True, slots=True)
class InstancesView:
    """What the page shows; `rows` are at most SHOWN of all that `totals` hold."""

    now: datetime
    app: App
    lately: timedelta
    totals: Totals
    rows: tuple[InstanceRow, ...]

    @property
    def dropped(self) -> int:
        """Samples that were dropped, over all instances."""
        return sum(self.totals.account.dropped.values())

    @property
    def uncounted(self) -> int:
        """Calls that are missing in the counts, over all instances."""
        return sum(self.totals.account.uncounted.values())

    @property
    def troubled(self) -> int:
        """How many instances have something wrong; they are on top of the rows."""
        return sum(row.fault is not None or row.silence is not None for row in self.rows)


def build_instances_view(engine: Engine, app_name: str, *, now: datetime) -> InstancesView:
    """Raises UnknownAppError, with the apps that there are."""
    since = now - LATELY
    with engine.connect() as connection:
        app = require_app(connection, app_name)
        found = list_instances(
            connection, app.id, since=since, silent_before=now - SILENT_AFTER, limit=SHOWN
        )
        totals = sum_instances(connection, app.id, since=since)
    rows = tuple(InstanceRow.of(stored, now) for stored in found)
    return InstancesView(now=now, app=app, lately=LATELY, totals=totals, rows=rows)
