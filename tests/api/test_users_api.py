from collections.abc import Iterator
from urllib.parse import quote

import httpx
import pytest
from sqlalchemy import Engine

from service.flows.create_api_key import create_api_key
from service.settings import Settings
from service.store.apps import App
from service.wiring import build_api
from tests.declared import NOW, a_sample, declare_app, post
from tests.serving import serving


@pytest.fixture
def app(engine: Engine) -> App:
    return declare_app(engine)


@pytest.fixture
def client(engine: Engine, app: App) -> Iterator[httpx.Client]:
    """Its key may read and erase."""
    key = create_api_key(engine, "support", scopes=("read", "erase"), now=NOW)
    api = build_api(engine, Settings(), clock=lambda: NOW)
    headers = {"Authorization": f"Bearer {key.secret}"}
    with serving(api) as url, httpx.Client(base_url=url, headers=headers, timeout=30) as client:
        yield client


def test_a_user_is_forgotten_and_nobody_else(
    client: httpx.Client, engine: Engine, app: App
) -> None:
    post(engine, app, [a_sample(user_id=user) for user in ("a/b@c", "a/b@c", "other", None)])
    post(engine, declare_app(engine, "sales"), [a_sample(user_id="a/b@c")])
    answer = client.delete("/v1/users/a%2Fb%40c")
    assert answer.status_code == 200
    assert answer.json() == {"samples": 2, "sessions": 0, "signals": 0, "scores": 0}
    left = client.get("/v1/samples").json()["samples"]
    assert {sample["user_id"] for sample in left} == {"other", None}
    assert client.delete("/v1/users/a%2Fb%40c").json()["samples"] == 0


def test_only_a_key_that_may_erase_erases(client: httpx.Client, engine: Engine, app: App) -> None:
    post(engine, app, [a_sample(user_id="u")])
    reader = create_api_key(engine, "support", scopes=("read", "ingest"), now=NOW)
    client.headers["Authorization"] = f"Bearer {reader.secret}"
    refused = client.delete("/v1/users/u")
    assert refused.status_code == 403
    assert "--scope erase" in refused.json()["detail"]
    assert len(client.get("/v1/samples").json()["samples"]) == 1


def test_any_id_can_stand_in_the_address(client: httpx.Client, engine: Engine, app: App) -> None:
    for user_id in ("a/b", "/", "a\nb\n", "?#%", "..", "ä😀", "{x}"):
        post(engine, app, [a_sample(user_id=user_id)])
        address = quote(user_id, safe="").replace(".", "%2E")
        assert client.delete(f"/v1/users/{address}").json()["samples"] == 1, user_id


def test_an_id_that_no_user_has_is_refused(client: httpx.Client) -> None:
    for user_id in ("", "%00", "x" * 201):
        refused = client.delete(f"/v1/users/{user_id}")
        assert refused.status_code == 422
        assert "user_id" in refused.json()["detail"]
