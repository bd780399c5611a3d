from datetime import timedelta
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import Engine

from service.flows.create_api_key import create_api_key
from service.flows.list_api_keys import list_api_keys
from service.flows.revoke_api_key import UnknownApiKeyError, revoke_api_key
from service.settings import Settings
from service.store.api_keys import StoredKey
from service.store.known_apps import UnknownAppError
from service.wiring import build_api
from tests.declared import NOW, declare_app
from tests.serving import serving

LATER = NOW + timedelta(hours=1)
INGEST = frozenset({"ingest"})


def post(url: str, secret: str) -> int:
    return httpx.post(
        f"{url}/v1/samples",
        json={"batch_id": str(uuid4()), "samples": [], "call_counts": []},
        headers={"Authorization": f"Bearer {secret}"},
    ).status_code


def test_a_revoked_key_is_refused_by_the_next_request(engine: Engine) -> None:
    declare_app(engine)
    leaked, other = (create_api_key(engine, "support", now=NOW) for _ in range(2))
    with serving(build_api(engine, Settings(), clock=lambda: NOW)) as url:
        assert post(url, leaked.secret) == 202
        revoke_api_key(engine, "support", leaked.shown, now=LATER)
        assert post(url, leaked.secret) == 401
        assert post(url, other.secret) == 202


def test_keys_are_listed_with_when_they_were_revoked(engine: Engine) -> None:
    declare_app(engine)
    first = create_api_key(engine, "support", now=NOW)
    second = create_api_key(engine, "support", now=LATER)
    revoke_api_key(engine, "support", first.shown, now=LATER)
    assert list_api_keys(engine, "support") == [
        StoredKey(first.shown, INGEST, None, NOW, None, LATER),
        StoredKey(second.shown, INGEST, None, LATER, None, None),
    ]


def test_keys_rotate_without_a_refused_request(engine: Engine) -> None:
    """Create the second, roll the app, see that the first is idle, revoke it."""
    declare_app(engine)
    clock = [NOW]
    first = create_api_key(engine, "support", now=NOW)
    with serving(build_api(engine, Settings(), clock=lambda: clock[0])) as url:
        assert post(url, first.secret) == 202
        second = create_api_key(engine, "support", now=LATER)
        clock[0] = LATER
        assert post(url, second.secret) == 202
        used = {key.prefix: key.last_used_at for key in list_api_keys(engine, "support")}
        assert used == {first.shown: NOW, second.shown: LATER}
        revoke_api_key(engine, "support", first.shown, now=LATER)
        assert [post(url, key.secret) for key in (first, second)] == [401, 202]


def test_the_whole_key_will_do_and_is_not_repeated(engine: Engine) -> None:
    declare_app(engine)
    key = create_api_key(engine, "support", now=NOW)
    assert revoke_api_key(engine, "support", key.secret, now=LATER) == key.shown
    with pytest.raises(UnknownApiKeyError) as refused:
        revoke_api_key(engine, "support", key.secret, now=LATER)
    assert key.secret not in str(refused.value)


def test_the_key_of_another_app_is_not_revoked(engine: Engine) -> None:
    declare_app(engine)
    declare_app(engine, "sales")
    key = create_api_key(engine, "sales", now=NOW)
    mine = create_api_key(engine, "support", now=NOW)
    with pytest.raises(UnknownApiKeyError, match=f"In use: {mine.shown}"):
        revoke_api_key(engine, "support", key.shown, now=LATER)
    assert list_api_keys(engine, "sales") == [StoredKey(key.shown, INGEST, None, NOW, None, None)]


def test_an_unknown_app_is_named_with_those_that_there_are(engine: Engine) -> None:
    declare_app(engine)
    with pytest.raises(UnknownAppError, match="Known apps: support"):
        list_api_keys(engine, "suport")
