"""Who asks as a browser gets a page whatever happens; who asks as a program a document."""

import httpx
import pytest
from fastapi import FastAPI
from starlette.types import ASGIApp

from service.api import problems
from service.web.error_pages import ErrorPages
from tests.serving import serving
from tests.web.conftest import Site

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
PROBLEM = "application/problem+json"


def test_an_unknown_address_is_a_page_for_a_browser(site: Site) -> None:
    answer = site.client.get("/nope", headers=BROWSER)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "There is no page at this address" in answer.text
    assert 'href="/"' in answer.text
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_a_method_that_is_not_taken_is_a_page_that_keeps_its_headers(site: Site) -> None:
    answer = site.client.post("/reports", headers=BROWSER)
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
    assert "Error 405." in answer.text


@pytest.mark.parametrize(
    ("address", "headers"),
    [
        ("/nope", {}),
        ("/nope", {"Accept": "application/json"}),
        ("/v1/nope", BROWSER),
        ("/v1/incidents/99", BROWSER),
    ],
)
def test_programs_and_the_api_keep_problem_documents(
    site: Site, address: str, headers: dict[str, str]
) -> None:
    answer = site.client.get(address, headers=headers)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == PROBLEM
    assert answer.json()["status"] == 404


def test_an_unexpected_error_is_a_page_without_its_text() -> None:
    with serving(_broken()) as url:
        page = httpx.get(f"{url}/broken", headers=BROWSER)
        document = httpx.get(f"{url}/broken")
    assert (page.status_code, document.status_code) == (500, 500)
    assert "Error 500." in page.text
    assert "the secret" not in page.text
    assert document.headers["content-type"] == PROBLEM


def _broken() -> ASGIApp:
    app = FastAPI()
    problems.install(app)
    app.add_middleware(ErrorPages)

    @app.get("/broken")
    def break_down() -> None:
        raise RuntimeError("the secret")

    return app
