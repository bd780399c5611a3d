"""The pages, over HTTP, at a fixed time that a test can move."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import httpx
import pytest
from sqlalchemy import Engine

from service.settings import Settings
from service.wiring import build_api
from tests.declared import NOW
from tests.serving import serving


@dataclass
class Site:
    """The served pages, and the clock that they see."""

    client: httpx.Client
    now: datetime = NOW

    def page(self, address: str, *, status: int = 200) -> str:
        """The HTML at an address."""
        answer = self.client.get(address)
        assert answer.status_code == status, answer.text
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        return answer.text

    def press(self, address: str, **fields: str) -> httpx.Response:
        """Send a form as a browser on our own page does."""
        headers = {"Origin": str(self.client.base_url).rstrip("/")}
        return self.client.post(address, data=fields, headers=headers)


@pytest.fixture
def site(engine: Engine) -> Iterator[Site]:
    with httpx.Client(timeout=30) as client:
        site = Site(client)
        with serving(build_api(engine, Settings(), clock=lambda: site.now)) as url:
            client.base_url = httpx.URL(url)
            yield site
