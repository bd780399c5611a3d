"""The README keeps its word: its commands are the real ones, its links lead somewhere."""

import os
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
CI = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
DECISIONS = sorted((ROOT / "docs" / "decisions").glob("*.md"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
GLOSSARY = (
    *("app", "environment", "release", "task", "call", "sample", "evaluator", "score", "signal"),
    *("SLI", "SLO", "objective", "error budget", "burn rate", "alert window", "tier"),
    *("drift test", "reference window", "change", "incident"),
    *("escalation policy", "schedule", "channel"),
)


def commands(text: str) -> list[str]:
    """The lines of the README's code blocks, without prompt and comment."""
    blocks = re.findall(r"^```[^\n]*\n(.*?)^```", text, re.M | re.S)
    lines = (line for block in blocks for line in block.splitlines())
    return [line.split("#")[0].removeprefix("$ ").strip() for line in lines]


def test_the_readme_names_the_two_commands() -> None:
    assert {"make demo", "make test"} <= set(commands(README))


def test_continuous_integration_runs_the_checks_and_then_the_readmes_test_command() -> None:
    runs = [line for line in CI.splitlines() if line.startswith("make ")]
    assert runs == ["make check", "make test"]
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_every_make_target_of_the_readme_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.M))
    assert set(re.findall(r"^make ([a-z]+)", "\n".join(commands(README)), re.M)) <= targets


@pytest.mark.parametrize("word", GLOSSARY)
def test_the_glossary_explains(word: str) -> None:
    first_cells = re.findall(r"^\|([^|\n]+)\|", README, re.M)
    assert any(re.search(rf"\b{word}\b", cell) for cell in first_cells)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_relative_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))
    relative = [link.split("#")[0] for link in links if "://" not in link]
    assert [link for link in relative if link and not (page.parent / link).exists()] == []


def test_decisions_are_numbered_without_gaps() -> None:
    numbers = [int(path.name.split("-")[0]) for path in DECISIONS]
    assert numbers == list(range(1, len(DECISIONS) + 1))


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_has_its_sections(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.+)$", text, re.M)
    assert headings[0].startswith(f"{int(path.name.split('-')[0])}. ")
    assert headings[1:] == ["Context", "Decision", "Consequences"]
    assert "\nStatus: " in text
