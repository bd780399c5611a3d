"""API keys: found by their hash, limited in what they may do, and when they were last used."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select, text
from sqlalchemy.dialects.postgresql import insert

from service.domain.api_keys import ApiKey, Scope
from service.store.apps import APP, App
from service.store.tables import api_key_uses, api_keys, apps


@dataclass(frozen=True, slots=True)
class LiveKey:
    """A key that is in force, and its app."""

    id: int
    scopes: frozenset[Scope]
    rate_limit_per_s: float | None
    """Items a second; None: the server's own limit."""
    app: App


@dataclass(frozen=True, slots=True)
class StoredKey:
    """What is known of an API key; the key itself is not."""

    prefix: str
    scopes: frozenset[Scope]
    rate_limit_per_s: float | None
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


def find_live_key(connection: Connection, key_hash: bytes) -> LiveKey | None:
    """The key of this hash, unless it is revoked."""
    query = (
        APP.add_columns(
            api_keys.c.id.label("key_id"), api_keys.c.scopes, api_keys.c.rate_limit_per_s
        )
        .join(api_keys, api_keys.c.app_id == apps.c.id)
        .where(api_keys.c.key_hash == key_hash, api_keys.c.revoked_at.is_(None))
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    *app, key_id, scopes, rate_limit_per_s = row
    return LiveKey(key_id, frozenset(scopes), rate_limit_per_s, App(*app))


def find_revoked(connection: Connection, key_ids: Collection[int]) -> set[int]:
    """Which of these keys are revoked."""
    query = text("SELECT id FROM api_keys WHERE id = ANY(:key_ids) AND revoked_at IS NOT NULL")
    return set(connection.scalars(query, {"key_ids": sorted(key_ids)}))


def note_uses(connection: Connection, used_at: Mapping[int, datetime]) -> None:
    """Remember when keys were last used; an earlier time changes nothing."""
    if not used_at:
        return
    statement = insert(api_key_uses)
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=["key_id"],
            set_={
                "last_used_at": func.greatest(
                    api_key_uses.c.last_used_at, statement.excluded.last_used_at
                )
            },
        ),
        [{"key_id": key_id, "last_used_at": at} for key_id, at in sorted(used_at.items())],
    )


def add_api_key(
    connection: Connection,
    *,
    app_id: int,
    key: ApiKey,
    scopes: Collection[Scope],
    rate_limit_per_s: float | None,
    now: datetime,
) -> None:
    """Store a key's hash."""
    connection.execute(
        api_keys.insert().values(
            app_id=app_id,
            key_hash=key.hash,
            prefix=key.shown,
            scopes=sorted(scopes),
            rate_limit_per_s=rate_limit_per_s,
            created_at=now,
        )
    )


def list_api_keys(connection: Connection, app_id: int) -> list[StoredKey]:
    """The app's keys, oldest first."""
    query = (
        select(
            api_keys.c.prefix,
            api_keys.c.scopes,
            api_keys.c.rate_limit_per_s,
            api_keys.c.created_at,
            api_key_uses.c.last_used_at,
            api_keys.c.revoked_at,
        )
        .outerjoin_from(api_keys, api_key_uses, api_key_uses.c.key_id == api_keys.c.id)
        .where(api_keys.c.app_id == app_id)
        .order_by(api_keys.c.created_at, api_keys.c.id)
    )
    return [
        StoredKey(prefix, frozenset(scopes), *rest)
        for prefix, scopes, *rest in connection.execute(query)
    ]


def revoke_api_key(connection: Connection, app_id: int, prefix: str, *, now: datetime) -> bool:
    """Whether a live key of the app had this prefix.

    Should two have it (one chance in 69 thousand million), both go: one of them has leaked.
    """
    revoked = connection.execute(
        api_keys.update()
        .where(
            api_keys.c.app_id == app_id,
            api_keys.c.prefix == prefix,
            api_keys.c.revoked_at.is_(None),
        )
        .values(revoked_at=now)
        .returning(api_keys.c.id)
    )
    return bool(revoked.all())
