"""The container set-up names only what the service has: commands, options, routes, settings."""

import ast
import configparser
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
OURS = ("migrate", "api", "worker")
PINNED = re.compile(r"[\w./-]+:\d+[\w.-]*")


def image_command() -> list[str]:
    """What the image runs when nothing else is said."""
    return [
        str(part) for part in ast.literal_eval(re.findall(r"^CMD (\[.*\])$", DOCKERFILE, re.M)[-1])
    ]


COMMANDS = [*(SERVICES[name]["command"] for name in OURS), image_command()]


def settings_named_in(text: str) -> set[str]:
    return set(re.findall(r"\bWATCHKEEPER_[A-Z_]+", text))


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_of_a_container_exists_with_its_options(words: list[str]) -> None:
    from service.cli import app

    program, name, *options = words
    assert program == "watchkeeper"
    command = typer.main.get_command(app).commands[name]  # type: ignore[attr-defined]
    known = {option for parameter in command.params for option in parameter.opts}
    assert {option for option in options if option.startswith("--")} <= known


def test_the_port_is_the_same_everywhere_and_published_on_loopback() -> None:
    command = SERVICES["api"]["command"]
    listens_on = command[command.index("--port") + 1]
    host, published, target = SERVICES["api"]["ports"][0].split(":")
    assert (host, published, target) == ("127.0.0.1", listens_on, listens_on)
    assert re.findall(r"^EXPOSE (\d+)$", DOCKERFILE, re.M) == [listens_on]
    assert image_command() == command
    assert COMPOSE["x-watchkeeper"]["environment"]["WATCHKEEPER_PUBLIC_URL"].endswith(
        f":{listens_on}}}"
    )


def test_only_the_api_publishes_a_port() -> None:
    assert [name for name, service in SERVICES.items() if "ports" in service] == ["api"]


def test_health_checks_ask_a_route_that_the_api_has() -> None:
    asked = " ".join(SERVICES["api"]["healthcheck"]["test"]) + DOCKERFILE
    paths = set(re.findall(r"http://127\.0\.0\.1:8000(/\w+)", asked))
    written = {
        node.value
        for path in (ROOT / "service").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert paths == {"/readyz"}
    assert paths <= written


def test_containers_that_serve_nothing_do_not_inherit_the_health_check() -> None:
    assert "HEALTHCHECK" in DOCKERFILE
    for name in ("migrate", "worker"):
        assert SERVICES[name]["healthcheck"] == {"disable": True}


def test_every_setting_of_the_containers_exists() -> None:
    from service.settings import Settings

    files = ("docker-compose.yml", "Dockerfile", ".env.example")
    named = set().union(
        *(settings_named_in((ROOT / file).read_text(encoding="utf-8")) for file in files)
    )
    fields = {f"WATCHKEEPER_{field.upper()}" for field in Settings.model_fields}
    assert Settings.model_config["env_prefix"] == "WATCHKEEPER_"
    assert named <= fields
    assert {"WATCHKEEPER_DATABASE_URL", "WATCHKEEPER_DATA_DIR", "WATCHKEEPER_PUBLIC_URL"} <= named


def test_the_database_url_of_the_containers_is_accepted() -> None:
    from service.settings import Settings

    written = COMPOSE["x-watchkeeper"]["environment"]["WATCHKEEPER_DATABASE_URL"]
    url = re.sub(r"\$\{POSTGRES_PASSWORD:\?[^}]*\}", "secret", written)
    assert url == "postgresql://watchkeeper:secret@postgres:5432/watchkeeper"
    assert Settings(database_url=url).database_url.get_secret_value() == url


def test_services_start_in_order() -> None:
    waits = {
        name: {other: how["condition"] for other, how in service.get("depends_on", {}).items()}
        for name, service in SERVICES.items()
    }
    assert waits == {
        "postgres": {},
        "migrate": {"postgres": "service_healthy"},
        "api": {"migrate": "service_completed_successfully"},
        "worker": {"migrate": "service_completed_successfully"},
    }
    assert "pg_isready" in SERVICES["postgres"]["healthcheck"]["test"][1]


def test_images_are_pinned() -> None:
    images = [service["image"] for service in SERVICES.values()]
    images += re.findall(r"^FROM (\S+)", DOCKERFILE, re.M)
    assert [image for image in images if not PINNED.fullmatch(image)] == []
    assert SERVICES["postgres"]["image"].startswith("postgres:18")


def test_the_image_has_the_python_that_the_project_asks_for() -> None:
    minor = {int(m) for m in re.findall(r"^FROM python:3\.(\d+)", DOCKERFILE, re.M)}
    assert len(minor) == 1
    assert min(minor) >= 11


def test_postgres_keeps_its_rows_in_a_named_volume() -> None:
    volumes = SERVICES["postgres"]["volumes"]
    assert volumes == ["pgdata:/var/lib/postgresql"]  # from image 18 on, not .../data
    assert "pgdata" in COMPOSE["volumes"]


def test_no_password_is_written_down() -> None:
    assert SERVICES["postgres"]["environment"]["POSTGRES_PASSWORD"].startswith(
        "${POSTGRES_PASSWORD:?"
    )
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    assert re.search(r"^POSTGRES_PASSWORD=$", example, re.M)


def test_the_image_runs_as_nobody_special_from_the_lock() -> None:
    final = DOCKERFILE.split("FROM ")[-1]
    assert re.findall(r"^USER (\S+)$", final, re.M) == ["watchkeeper"]
    assert "pip install --no-cache-dir --require-hashes -r requirements.lock" in DOCKERFILE


def test_what_the_image_copies_is_let_through() -> None:
    ignore = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    copied = {
        source
        for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.M)
        for source in line.split()[:-1]
    }
    assert copied <= {line.removeprefix("!") for line in ignore if line.startswith("!")}
    assert [source for source in copied if not (ROOT / source).exists()] == []


def test_the_packages_of_the_wheel_are_copied_into_the_image() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert [name for name in packages if f"COPY {name} {name}" not in DOCKERFILE] == []


def test_alembic_takes_the_address_from_the_settings() -> None:
    ini = configparser.ConfigParser()
    ini.read(ROOT / "alembic.ini")
    location = ini.get("alembic", "script_location", vars={"here": str(ROOT)})
    assert (Path(location) / "env.py").is_file()
    assert "sqlalchemy.url" not in ini["alembic"]


def test_the_lock_pins_everything_that_is_asked_for() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    pinned = {canonicalize_name(name) for name in re.findall(r"^([\w.-]+)==", lock, re.M)}
    assert not set(asked_for()) - pinned
    blocks = re.split(r"^(?=\S)", lock, flags=re.M)[1:]
    assert [block.splitlines()[0] for block in blocks if "--hash=sha256:" not in block] == []


def asked_for() -> list[str]:
    """Run-time, development and build requirements of both distributions."""
    wanted: list[str] = []
    for file in ("pyproject.toml", "sdk/pyproject.toml"):
        written = tomllib.loads((ROOT / file).read_text(encoding="utf-8"))
        wanted += written["build-system"]["requires"]
        wanted += written["project"]["dependencies"]
        wanted += written["project"].get("optional-dependencies", {}).get("dev", [])
    names = [canonicalize_name(Requirement(line).name) for line in wanted]
    return [name for name in names if name != "watchkeeper-sdk"]
