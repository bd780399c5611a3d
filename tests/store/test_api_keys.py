from datetime import timedelta

import pytest
from sqlalchemy import Engine

from service.domain.api_keys import ApiKey
from service.flows.create_api_key import create_api_key
from service.store.api_keys import (
    find_live_key,
    find_revoked,
    list_api_keys,
    note_uses,
    revoke_api_key,
)
from service.store.apps import App
from tests.declared import NOW, declare_app

MINUTE = timedelta(minutes=1)


@pytest.fixture
def app(engine: Engine) -> App:
    return declare_app(engine)


def id_of(engine: Engine, key: ApiKey) -> int:
    with engine.connect() as connection:
        found = find_live_key(connection, key.hash)
    assert found is not None
    return found.id


def test_two_keys_of_an_app_are_in_force_at_once(engine: Engine, app: App) -> None:
    keys = [create_api_key(engine, app.name, now=NOW) for _ in range(2)]
    with engine.connect() as connection:
        found = [find_live_key(connection, key.hash) for key in keys]
    assert [key and key.app for key in found] == [app, app]


def test_a_key_says_what_it_may_do_and_how_fast(engine: Engine, app: App) -> None:
    key = create_api_key(engine, app.name, scopes=("read", "erase"), rate_limit_per_s=2.5, now=NOW)
    with engine.connect() as connection:
        found = find_live_key(connection, key.hash)
    assert found is not None
    assert (found.scopes, found.rate_limit_per_s) == ({"read", "erase"}, 2.5)


def test_a_revoked_key_is_not_found_and_its_sister_is(engine: Engine, app: App) -> None:
    gone, kept = (create_api_key(engine, app.name, now=NOW) for _ in range(2))
    with engine.begin() as connection:
        assert revoke_api_key(connection, app.id, gone.shown, now=NOW)
    with engine.connect() as connection:
        assert find_live_key(connection, gone.hash) is None
        assert find_live_key(connection, kept.hash) is not None


def test_a_key_is_revoked_once(engine: Engine, app: App) -> None:
    key = create_api_key(engine, app.name, now=NOW)
    with engine.begin() as connection:
        assert revoke_api_key(connection, app.id, key.shown, now=NOW)
        assert not revoke_api_key(connection, app.id, key.shown, now=NOW + MINUTE)
        (listed,) = list_api_keys(connection, app.id)
    assert listed.revoked_at == NOW


def test_a_key_is_not_revoked_for_another_app(engine: Engine, app: App) -> None:
    key = create_api_key(engine, app.name, now=NOW)
    other = declare_app(engine, "billing")
    with engine.begin() as connection:
        assert not revoke_api_key(connection, other.id, key.shown, now=NOW)
        assert find_live_key(connection, key.hash) is not None


def test_of_several_keys_those_are_found_that_are_revoked(engine: Engine, app: App) -> None:
    keys = [create_api_key(engine, app.name, now=NOW) for _ in range(3)]
    ids = [id_of(engine, key) for key in keys]
    with engine.begin() as connection:
        revoke_api_key(connection, app.id, keys[1].shown, now=NOW)
        assert find_revoked(connection, {*ids, 10**12}) == {ids[1]}
        assert find_revoked(connection, set()) == set()


def test_an_earlier_use_does_not_overwrite_a_later_one(engine: Engine, app: App) -> None:
    key_id = id_of(engine, create_api_key(engine, app.name, now=NOW))
    with engine.begin() as connection:
        for at in (NOW, NOW + MINUTE, NOW - MINUTE):
            note_uses(connection, {key_id: at})
        (listed,) = list_api_keys(connection, app.id)
    assert listed.last_used_at == NOW + MINUTE


def test_a_key_that_was_never_used_says_so(engine: Engine, app: App) -> None:
    create_api_key(engine, app.name, now=NOW)
    with engine.begin() as connection:
        note_uses(connection, {})
        (listed,) = list_api_keys(connection, app.id)
    assert listed.last_used_at is None
