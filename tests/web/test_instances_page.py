import re
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import Engine

from tests.declared import NOW, declare_app
from tests.instances import a_ledger, an_instance, hear
from tests.web.conftest import Site

PAGE = "/apps/support/instances"


def words(page: str) -> str:
    """What a person reads, without markup."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def test_each_instance_has_its_account_and_all_together_theirs(site: Site, engine: Engine) -> None:
    app = declare_app(engine)
    lost = {"queue_full": 3, "unserialisable": 1}
    ledger = a_ledger(
        produced=2_000, sampled_out=1_500, queued=496, dropped=lost, uncounted={"http_400": 7}
    )
    instance = an_instance(ledger, release="2.0.1")
    hear(engine, app, instance, stored=490, rejected=6)
    hear(engine, app, an_instance(a_ledger(produced=10, queued=10), release="1.9"), stored=10)
    page = words(site.page(PAGE))
    account = "2,000 490 1,500 10 queue_full 3 rejected 6 unserialisable 1 0 7 http_400 7"
    assert f"production 2.0.1 {instance.instance_id.hex[:8]} python/0.1.0" in page
    assert account in page
    assert "All 2 2,010 500 1,500" in page
    assert "Every call of every instance is accounted for." in page
    assert "Lost: 10 samples were dropped, 7 calls are missing in the counts." in page


def test_an_instance_that_fell_silent_with_samples_is_marked(site: Site, engine: Engine) -> None:
    app = declare_app(engine)
    hear(engine, app, an_instance(a_ledger(produced=200, queued=200)), stored=80)
    site.now = NOW + timedelta(minutes=2)
    assert "accounted for." in words(site.page(PAGE)), "it may still be sending"
    site.now = NOW + timedelta(hours=3)
    page = words(site.page(PAGE))
    assert "1 instance needs a look." in page
    assert "Silent: last heard 3 h ago with 120 samples queued." in page


def test_a_ledger_that_does_not_add_up_is_marked(site: Site, engine: Engine) -> None:
    app = declare_app(engine)
    hear(engine, app, an_instance(a_ledger(produced=7, queued=4)), stored=4)
    first = an_instance(a_ledger(produced=9, queued=9))
    hear(engine, app, first, stored=9)
    believes = replace(first, sequence=2, ledger=a_ledger(produced=11, stored=11))
    hear(engine, app, believes)
    page = words(site.page(PAGE))
    assert "2 instances need a look." in page
    assert "Does not add up: its ledger leaves 3 calls unexplained." in page
    assert "Does not add up: 2 samples that it was told are stored are not here." in page


def test_an_app_without_instances_is_told_why(site: Site, engine: Engine) -> None:
    declare_app(engine)
    assert "No SDK instance of this app was heard of" in words(site.page(PAGE))


def test_the_overview_leads_to_the_page(site: Site, engine: Engine) -> None:
    declare_app(engine, "a b?c")
    address = re.search(r'href="(/apps/[^"]+)"', site.page("/"))
    assert address
    assert address[1] == "/apps/a%20b%3Fc/instances"
    assert "Calls accounted for" in site.page(address[1])


def test_an_unknown_app_is_answered_with_those_that_there_are(site: Site, engine: Engine) -> None:
    declare_app(engine)
    assert "Known apps: support" in site.page("/apps/suport/instances", status=404)


def test_what_an_instance_says_of_itself_is_escaped(site: Site, engine: Engine) -> None:
    app = declare_app(engine)
    bad = "<script>alert(1)</script>"
    ledger = a_ledger(produced=1, dropped={bad: 1}, uncounted={bad: 1})
    hear(engine, app, an_instance(ledger, release=bad, sdk=bad, environment=bad))
    page = site.page(PAGE)
    assert "<script" not in page
    assert page.count("&lt;script&gt;") >= 5
