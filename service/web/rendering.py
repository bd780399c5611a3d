"""Templates to pages. Everything that is put into one is escaped, names of apps above all."""

from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from urllib.parse import quote

from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined

from service.domain.alert_windows import spell_duration
from service.domain.spelling import between_points, dollars, percent, points, relative, whole
from service.web.precision import decimals, percent_with


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("service.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": percent,
        "decimals": decimals,
        "percent_with": percent_with,
        "points": points,
        "between_points": between_points,
        "relative": relative,
        "dollars": dollars,
        "whole": whole,
        "duration": spell_duration,
        "in_path": lambda name: quote(name, safe=""),
    }
    return environment


def render(template: str, view: object, *, status: int = HTTPStatus.OK) -> HTMLResponse:
    """The page of a template, which knows its view as `view`."""
    return HTMLResponse(_environment().get_template(template).render(view=view), status)


@dataclass(frozen=True, slots=True)
class ErrorView:
    """What went wrong, and what to do about it."""

    status: int
    title: str
    detail: str


def render_error(status: int, title: str, detail: str) -> HTMLResponse:
    """The page of an error."""
    return render("error.html", ErrorView(int(status), title, detail), status=status)
