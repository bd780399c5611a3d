from datetime import timedelta
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import Engine

from service.flows.create_api_key import UnknownAppError, create_api_key
from service.flows.list_api_keys import list_api_keys
from service.flows.revoke_api_key import UnknownApiKeyError, revoke_api_key
from service.settings import Settings
from service.store.apps import StoredKey
from service.wiring import build_api
from tests.declared import NOW, declare_app
from tests.serving import serving

LATER = NOW + timedelta(hours=1)


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
        StoredKey(first.shown, NOW, LATER),
        StoredKey(second.shown, LATER, None),
    ]


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
    assert list_api_keys(engine, "sales") == [StoredKey(key.shown, NOW, None)]


def test_an_unknown_app_is_named_with_those_that_there_are(engine: Engine) -> None:
    declare_app(engine)
    with pytest.raises(UnknownAppError, match="Known apps: support"):
        list_api_keys(engine, "suport")
