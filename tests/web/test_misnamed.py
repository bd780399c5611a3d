"""Names that do not meet are said on the first page, not swallowed."""

from dataclasses import replace
from datetime import timedelta

from sqlalchemy import Engine

from service.domain.calls import CallCount
from service.store.slos import find_slo, put_slo
from tests.declared import NOW, a_count, post
from tests.watched import watch_app
from tests.web.conftest import Site


def called(task: str = "answer", environment: str = "production", *, days: int = 0) -> CallCount:
    count = a_count(minute=NOW - timedelta(days=days, minutes=5))
    return replace(count, slice=count.slice._replace(task=task, environment=environment))


def test_a_task_that_nobody_declared_is_named_with_the_one_that_was_meant(
    site: Site, engine: Engine
) -> None:
    app = watch_app(engine)
    post(engine, app, counts=[called("anser"), called("<b>translate</b>")])
    page = site.page("/").replace("&#39;", "'")
    assert "Calls come in for the task 'anser' in production, which is not declared" in page
    assert "did you mean 'answer'?" in page
    assert "&lt;b&gt;translate" in page


def test_an_slo_whose_environment_never_called_is_told_which_ones_do(
    site: Site, engine: Engine
) -> None:
    app = watch_app(engine)
    with engine.begin() as connection:
        stored = find_slo(connection, "support", "correct")
        assert stored is not None
        indicator = replace(stored.slo.indicator, environment="prodution")
        slo = replace(stored.slo, indicator=indicator)
        put_slo(connection, app.id, slo, display_name=stored.display_name)
    post(engine, app, counts=[called()])
    page = site.page("/").replace("&#39;", "'")
    assert "correct: no call of 'answer' ever came from the environment 'prodution'" in page
    assert "seen: production." in page
    post(engine, app, counts=[called(environment="prodution", days=9)])
    assert "ever came from" not in site.page("/")


def test_names_that_meet_are_not_mentioned(site: Site, engine: Engine) -> None:
    app = watch_app(engine)
    post(engine, app, counts=[called(), called("anser", days=2)])
    page = site.page("/")
    assert "not declared" not in page
    assert "ever came from" not in page


def test_many_wrong_names_do_not_fill_the_page(site: Site, engine: Engine) -> None:
    app = watch_app(engine)
    post(engine, app, counts=[called(f"task-{n}") for n in range(40)])
    page = site.page("/")
    assert page.count("which is not declared") == 5
    assert "35 more tasks are called and not declared." in page
