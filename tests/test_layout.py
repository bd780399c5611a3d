"""The rules of the house that a linter does not know: each is one test that lists the offenders.

Every rule that reads code is a function from a parsed file to its offences, so that the tests at
the end can show, on a small bad snippet, that the rule is able to fail.
"""

import ast
import itertools
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FILE_LIMIT = 300
FUNCTION_LIMIT = 50
CODE = ("service", "evaluators", "sdk/watchkeeper", "migrations", "benchmarks")
PURE = ("service/domain", "service/otlp", "service/specs")
TOP_LEVEL = (
    *("pyproject.toml", "Makefile", "alembic.ini", "docker-compose.yml", "Dockerfile", "README.md"),
    *("requirements.lock", ".ci/run", "service/cli", "service/app.py", "service/worker.py"),
    *("service/wiring.py", "service/settings.py", "service/errors.py", "service/telemetry.py"),
    *("service/domain", "service/store", "service/flows", "service/api", "service/web"),
    *("service/jobs", "service/notify", "evaluators/contract.py", "evaluators/registry.py"),
    *("evaluators/testing.py", "sdk/pyproject.toml", "sdk/watchkeeper", "migrations", "tests"),
    *("benchmarks", "docs/decisions", "docs/runbooks"),
)

Rule = Callable[[ast.Module], Iterator[str]]


# --- what the repository holds -------------------------------------------------------------------


def repository_files() -> list[Path]:
    """Every file of ours: no caches, builds, environments or stored samples."""
    found = []
    for folder, subfolders, names in os.walk(ROOT):
        subfolders[:] = [
            name
            for name in subfolders
            if (not name.startswith(".") or name in {".ci", ".github"})
            and name not in {"__pycache__", "dist", "build"}
            and not name.endswith(".egg-info")
        ]
        found += [Path(folder, name) for name in names if not name.endswith((".pyc", ".swp"))]
    return [path for path in found if (path.parent, path.name) != (ROOT, ".env")]


def sources(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


def files_of_tests() -> list[Path]:
    return [path for path in sources("tests", "sdk/tests") if path.name.startswith("test_")]


def place(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def is_below(path: Path, *folders: str) -> bool:
    return any(path.is_relative_to(ROOT / folder) for folder in folders)


def offences(paths: Iterator[Path] | list[Path], rule: Rule) -> list[str]:
    return [
        f"{place(path)}:{offence}"
        for path in paths
        for offence in rule(ast.parse(path.read_text(encoding="utf-8"), filename=place(path)))
    ]


def listed(lines: list[str]) -> str:
    return "\n  ".join(["", *lines])


# --- reading code --------------------------------------------------------------------------------

Function = ast.FunctionDef | ast.AsyncFunctionDef
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def dotted(node: ast.expr) -> str:
    """`a.b.c` of a chain of names; empty where something else is in it."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (left := dotted(node.value)):
        return f"{left}.{node.attr}"
    return ""


def calls(tree: ast.AST) -> Iterator[tuple[ast.Call, str]]:
    """Every call with the dotted name of what is called."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node, dotted(node.func)


def method_name(call: ast.Call) -> str:
    """The last part of what is called, whatever it is called on."""
    return call.func.attr if isinstance(call.func, ast.Attribute) else dotted(call.func)


def imports(tree: ast.Module) -> Iterator[tuple[int, str, str]]:
    """Line, module and imported name (empty for `import module`) of every absolute import."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((node.lineno, node.module, alias.name) for alias in node.names)


def words(name: str) -> list[str]:
    """`ScoreManager` and `score_manager` are both score, manager."""
    return re.findall(r"[a-z]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower())


# --- the rules -----------------------------------------------------------------------------------


def statements(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.stmt]:
    return node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body


def long_functions(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, FUNCTIONS) and node.end_lineno is not None:
            # From the first statement on: a long signature or docstring is not a long function.
            length = node.end_lineno - statements(node)[0].lineno + 1
            if length > FUNCTION_LIMIT:
                yield f"{node.lineno} {node.name} has {length} lines"


def empty_names(tree: ast.Module) -> Iterator[str]:
    anywhere = {"manager", "helper", "helpers", "util", "utils", "misc"}
    for node in ast.walk(tree):
        if isinstance(node, (*FUNCTIONS, ast.ClassDef)):
            parts = words(node.name) or [""]
            if anywhere & set(parts) or parts[0] == "process" or parts[-1] in {"data", "info"}:
                yield f"{node.lineno} {node.name}"


def impurities(tree: ast.Module) -> Iterator[str]:
    reads = re.compile(
        r"(datetime|date)\.(\w+\.)?(now|utcnow|today)|time\.\w+|open|input|print|uuid\.uuid[14]|uuid[14]"
        r"|os\.urandom|secrets\.\w+|monotonic|perf_counter|(\w+\.)*read_(text|bytes)"
    )
    draws = re.compile(r"random\.(?!Random$)\w+|(np|numpy)\.random\.(?!default_rng$|Generator$)\w+")
    seeded = re.compile(r"(random\.)?Random|((np|numpy)\.random\.)?default_rng")
    for call, name in calls(tree):
        method = method_name(call)
        if reads.fullmatch(name) or method in {"read_text", "read_bytes", "write_text", "urlopen"}:
            yield f"{call.lineno} {name or method}() reads a clock, chance or a file"
        elif draws.fullmatch(name) or (seeded.fullmatch(name) and not call.args + call.keywords):
            yield f"{call.lineno} {name}() draws without a seed"


def foreign_imports(tree: ast.Module) -> Iterator[str]:
    """What the domain imports beyond the standard library and its three number libraries."""
    allowed = sys.stdlib_module_names | {"numpy", "scipy", "datasketches"}
    io = {
        "os",
        "socket",
        "subprocess",
        "urllib",
        "http",
        "sqlite3",
        "tempfile",
        "shutil",
        "secrets",
    }
    for line, module, _ in imports(tree):
        top = module.split(".")[0]
        ours = module == "service.errors" or (module + ".").startswith("service.domain.")
        if not ours and (top not in allowed or top in io):
            yield f"{line} {module}"


def sql_imports(tree: ast.Module) -> Iterator[str]:
    """Outside the store a connection can be passed on and its errors met; nothing more."""
    for line, module, name in imports(tree):
        passes_on = module == "sqlalchemy" and name in {"Connection", "Engine"}
        if module.split(".")[0] in {"sqlalchemy", "psycopg", "alembic"} and not (
            passes_on or module == "sqlalchemy.exc"
        ):
            yield f"{line} {module} {name}".rstrip()
    for call, _ in calls(tree):
        if method_name(call) in {"exec_driver_sql", "execute", "executemany", "scalars"}:
            yield f"{call.lineno} .{method_name(call)}()"


def environment_reads(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and dotted(node) in {"os.environ", "os.getenv"}:
            yield f"{node.lineno} {dotted(node)}"
    for line, module, name in imports(tree):
        if module == "os" and name in {"environ", "getenv"}:
            yield f"{line} from os import {name}"


def prints(tree: ast.Module) -> Iterator[str]:
    yield from (f"{call.lineno} print()" for call, name in calls(tree) if name == "print")


def missing_docstrings(tree: ast.Module) -> Iterator[str]:
    if tree.body and not ast.get_docstring(tree):
        yield "1 the module"
    for node in tree.body:
        if not isinstance(node, (*FUNCTIONS, ast.ClassDef)) or node.name.startswith("_"):
            continue
        if not ast.get_docstring(node):
            yield f"{node.lineno} {node.name}"


def evaluator_imports(tree: ast.Module) -> Iterator[str]:
    """The service finds evaluators through the registry, never by name."""
    for line, module, name in imports(tree):
        target = f"{module}.{name}" if module == "evaluators" else module
        if target.split(".")[0] == "evaluators" and not re.match(
            r"evaluators\.(contract|registry)\b", target
        ):
            yield f"{line} {target}"


def sleeps(tree: ast.Module) -> Iterator[str]:
    for call, name in calls(tree):
        if name in {"time.sleep", "sleep"}:
            yield f"{call.lineno} {name}()"


def assertless_tests(tree: ast.Module) -> Iterator[str]:
    functions = [node for node in ast.walk(tree) if isinstance(node, FUNCTIONS)]
    asserting: set[str] = set()
    # A test may leave its assertions to a function of the same file, and that one to another.
    for _ in range(3):
        asserting |= {node.name for node in functions if _asserts(node, asserting)}
    for node in functions:
        if node.name.startswith("test_") and not _asserts(node, asserting):
            yield f"{node.lineno} {node.name}"


def _asserts(function: Function, asserting: set[str]) -> bool:
    expects = re.compile(
        r"(assert|expect|verify)(_\w+|[A-Z]\w*)?|(check|validate)_\w+|call_and_validate"
    )
    if any(isinstance(node, ast.Assert) for node in ast.walk(function)):
        return True
    return any(
        name in {"pytest.raises", "pytest.warns", "pytest.fail"}
        or name in asserting
        or expects.fullmatch(method_name(call))
        for call, name in calls(function)
    )


# --- held over the tree --------------------------------------------------------------------------


def test_files_stay_under_three_hundred_lines() -> None:
    exempt = ("tests", "sdk/tests", "migrations/versions")
    long = [
        f"{place(path)} has {lines} lines"
        for path in sources(*CODE)
        if not is_below(path, *exempt)
        and (lines := len(path.read_text(encoding="utf-8").splitlines())) > FILE_LIMIT
    ]
    assert not long, f"split these, each holds two subjects:{listed(long)}"


def test_functions_stay_under_fifty_lines() -> None:
    paths = [path for path in sources(*CODE) if not is_below(path, "migrations/versions")]
    found = offences(paths, long_functions)
    assert not found, f"split these functions:{listed(found)}"


def test_no_file_is_named_after_nothing() -> None:
    found = [
        place(path)
        for path in sources(*CODE, "tests", "sdk/tests")
        if {"utils", "util", "helper", "helpers", "manager", "managers", "misc", "common"}
        & set(words(path.stem))
    ]
    assert not found, f"name these files after their subject:{listed(found)}"


def test_no_function_or_class_has_an_empty_name() -> None:
    found = offences(list(sources("service", "evaluators", "sdk/watchkeeper")), empty_names)
    assert not found, f"name these after what they do or are:{listed(found)}"


def test_the_domain_reads_no_clock_no_file_and_no_chance() -> None:
    found = offences(list(sources(*PURE)), impurities)
    assert not found, f"pass these in from a flow:{listed(found)}"


def test_the_domain_imports_only_the_standard_library_and_numbers() -> None:
    found = offences(list(sources("service/domain")), foreign_imports)
    assert not found, f"the domain is pure:{listed(found)}"


def test_sql_lives_in_the_store() -> None:
    paths = [
        path
        for path in sources("service", "evaluators", "sdk/watchkeeper")
        if not is_below(path, "service/store", "service/wiring.py")
        # The SDK's own file on the app's disk; no table of ours.
        and path != ROOT / "sdk/watchkeeper/spool_file.py"
    ]
    found = offences(paths, sql_imports)
    assert not found, f"move these into service/store:{listed(found)}"


def test_settings_are_read_in_one_place() -> None:
    paths = [
        path
        for path in sources("service", "evaluators", "migrations", "sdk/watchkeeper")
        if path not in (ROOT / "service/settings.py", ROOT / "sdk/watchkeeper/settings.py")
    ]
    found = offences(paths, environment_reads)
    assert not found, f"only settings.py reads the environment:{listed(found)}"


def test_only_the_command_line_prints() -> None:
    paths = [
        path
        for path in sources("service", "evaluators", "sdk/watchkeeper", "migrations")
        if not is_below(path, "service/cli")
    ]
    found = offences(paths, prints)
    assert not found, f"log these, or return them:{listed(found)}"


def test_what_is_public_in_domain_and_evaluators_is_described() -> None:
    found = offences(list(sources("service/domain", "evaluators")), missing_docstrings)
    assert not found, f"these lack a docstring:{listed(found)}"


def test_evaluators_are_found_through_their_registry() -> None:
    found = offences(list(sources("service")), evaluator_imports)
    assert not found, f"import evaluators.contract or evaluators.registry:{listed(found)}"


def test_every_test_asserts() -> None:
    found = offences(files_of_tests(), assertless_tests)
    assert not found, f"these tests cannot fail:{listed(found)}"


def test_no_test_waits_by_the_clock() -> None:
    found = offences(list(sources("tests", "sdk/tests")), sleeps)
    assert not found, f"wait for the event instead:{listed(found)}"


def test_the_tree_has_the_shape_of_the_design() -> None:
    missing = [
        name
        for name in TOP_LEVEL
        # git keeps no empty folder: one here would be absent from a fresh clone
        if not ((ROOT / name).is_file() or any(p.is_file() for p in (ROOT / name).rglob("*")))
    ]
    assert not missing, f"missing or empty:{listed(missing)}"


# Written in pieces, so that this file does not hold what it looks for.
UNFINISHED = re.compile(r"\b(" + "TO" + r"DO|FIX" + r"ME|X" + r"XX)\b")
INDEX_ADDRESS = re.compile(
    r"(extra-)?index" + r"-url\b(?<!no-emit-index" + r"-url)|https?://[\w.-]*py" + r"pi"
    r"|py" + r"pi\.org|python" + r"hosted|/sim" + r"ple/[a-z]",
    re.IGNORECASE,
)
MACHINE_PATH = re.compile(r"(?<![\w.~*-])/(wo" + r"rk|ro" + r"ot|ho" + r"me|Us" + r"ers)/\w")


def lines_with(pattern: re.Pattern[str]) -> list[str]:
    found = []
    for path in repository_files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # an image
        found += [
            f"{place(path)}:{number} {line.strip()[:100]}"
            for number, line in enumerate(text.splitlines(), start=1)
            if pattern.search(line)
        ]
    return found


def test_nothing_is_left_for_later() -> None:
    found = lines_with(UNFINISHED)
    assert not found, f"do these, or open an issue:{listed(found)}"


def test_no_file_names_a_package_index() -> None:
    found = lines_with(INDEX_ADDRESS)
    assert not found, f"where packages come from is the machine's own matter:{listed(found)}"


def test_no_file_names_a_folder_of_somebodys_machine() -> None:
    found = lines_with(MACHINE_PATH)
    assert not found, f"make these relative, or a setting:{listed(found)}"


# --- each rule is able to fail -------------------------------------------------------------------

BAD: list[tuple[Rule, str]] = [
    (long_functions, "def f():\n" + "    x = 1\n" * (FUNCTION_LIMIT + 1)),
    (empty_names, "class ScoreManager: ..."),
    (empty_names, "def url_helper(): ..."),
    (empty_names, "async def process_batch(): ..."),
    (empty_names, "def app_info(): ..."),
    (impurities, "now = datetime.now(UTC)"),
    (impurities, "now = datetime.datetime.now()"),
    (impurities, "started = time.time()"),
    (impurities, "rows = open('x').read()"),
    (impurities, "rows = Path('x').read_text()"),
    (impurities, "x = random.random()"),
    (impurities, "x = np.random.normal()"),
    (impurities, "rng = np.random.default_rng()"),
    (impurities, "rng = random.Random()"),
    (foreign_imports, "import sqlalchemy"),
    (foreign_imports, "from service.store import samples"),
    (foreign_imports, "import os"),
    (sql_imports, "from sqlalchemy import select"),
    (sql_imports, "import psycopg"),
    (sql_imports, "connection.execute(statement)"),
    (environment_reads, "url = os.environ['X']"),
    (environment_reads, "url = os.environ.get('X')"),
    (environment_reads, "url = os.getenv('X')"),
    (environment_reads, "from os import environ"),
    (prints, "print('x')"),
    (missing_docstrings, "def burn_rate(): ..."),
    (missing_docstrings, '"""A module."""\nclass Slo: ...'),
    (evaluator_imports, "from evaluators.refusal import Refusal"),
    (evaluator_imports, "from evaluators import refusal"),
    (sleeps, "time.sleep(1)"),
    (assertless_tests, "def test_nothing():\n    f()"),
    (assertless_tests, "def test_a():\n    seen()\ndef seen():\n    return 1"),
]

GOOD: list[tuple[Rule, str]] = [
    (empty_names, "class DriftResult: ..."),
    (impurities, "rng = np.random.default_rng(7)\nx = rng.normal()\nend = start + timedelta(1)"),
    (foreign_imports, "import math\nimport numpy as np\nfrom service.domain.slis import Tally"),
    (
        sql_imports,
        "from sqlalchemy import Connection, Engine\nfrom sqlalchemy.exc import DBAPIError",
    ),
    (environment_reads, "import os\npath = os.path.join('a', 'b')"),
    (missing_docstrings, '"""A module."""\ndef _private(): ...'),
    (evaluator_imports, "from evaluators import contract\nfrom evaluators.registry import load"),
    (assertless_tests, "def test_a():\n    with pytest.raises(ValueError):\n        f()"),
    (assertless_tests, "def test_a():\n    seen()\ndef seen():\n    assert f()"),
]


def rule_name(case: object) -> str | None:
    return getattr(case, "__name__", None)


@pytest.mark.parametrize(("rule", "snippet"), BAD, ids=rule_name)
def test_a_rule_finds_the_bad_snippet(rule: Rule, snippet: str) -> None:
    assert list(rule(ast.parse(snippet)))


@pytest.mark.parametrize(("rule", "snippet"), GOOD, ids=rule_name)
def test_a_rule_lets_the_good_snippet_pass(rule: Rule, snippet: str) -> None:
    assert not list(rule(ast.parse(snippet)))


@pytest.mark.parametrize(
    ("pattern", "line"),
    [
        (UNFINISHED, "# TO" + "DO: later"),
        (INDEX_ADDRESS, "--index" + "-url https://example.org"),
        (INDEX_ADDRESS, "https://py" + "pi.example.org/x"),
        (MACHINE_PATH, "data = '/ho" + "me/someone/data'"),
    ],
)
def test_a_pattern_finds_the_bad_line(pattern: re.Pattern[str], line: str) -> None:
    assert pattern.search(line)


def test_the_rules_see_the_code() -> None:
    seen = set(itertools.islice((place(path) for path in sources(*CODE)), 1000))
    assert {"service/errors.py", "service/settings.py"} <= seen
    assert ROOT / "requirements.lock" in repository_files()
