"""The JSON of SDK instances and their accounts."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from service.domain.accounts import find_fault, find_silence
from service.store.sdk_instances import StoredInstance


class AccountOut(BaseModel):
    """Where calls went: produced == stored + sampled_out + sum(dropped) + queued."""

    model_config = ConfigDict(from_attributes=True)

    produced: int
    stored: int
    sampled_out: int
    dropped: Mapping[str, int]
    """Samples lost, by reason."""
    queued: int
    """Samples that have not arrived, and that nobody says are lost."""
    uncounted: Mapping[str, int]
    """Calls that are missing in the counts, by reason."""


class InstanceOut(BaseModel):
    """One client in one process of an app."""

    instance_id: UUID
    environment: str
    release: str
    sdk: str
    started_at: datetime
    last_seen_at: datetime
    account: AccountOut
    fault: str | None
    """Why the account cannot be right."""
    silence: str | None
    """That it fell silent with samples that have not arrived."""

    @classmethod
    def of(cls, stored: StoredInstance, *, now: datetime) -> "InstanceOut":
        """As it stands now."""
        instance = stored.instance
        return cls(
            instance_id=instance.instance_id,
            environment=instance.environment,
            release=instance.release,
            sdk=instance.sdk,
            started_at=instance.started_at,
            last_seen_at=stored.seen_at,
            account=AccountOut.model_validate(stored.account),
            fault=find_fault(stored.account),
            silence=find_silence(stored.account, seen_at=stored.seen_at, now=now),
        )


class TotalsOut(BaseModel):
    """All instances together."""

    instances: int
    account: AccountOut


class InstanceListOut(BaseModel):
    """Instances that were heard of lately: those in trouble first, then the newest."""

    since: datetime
    totals: TotalsOut
    instances: list[InstanceOut]
    """At most 200; `totals` are of all of them."""
