"""`watchkeeper demo` for real: it tells of the incident, and leaves nothing behind."""

import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

QUICK = ("--port=0", "--history-days=1", "--calls-per-second=20", "--update-after=5")
LONGEST = "--seconds=140"


@pytest.fixture
def folder() -> Iterator[Path]:
    """Where the demo makes its folder: PostgreSQL's account must be able to enter it."""
    made = Path(tempfile.mkdtemp(prefix="demo-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


@contextmanager
def running_demo(folder: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    demo = subprocess.Popen(
        [sys.executable, "-m", "service", "demo", *QUICK, LONGEST, *options],
        env={
            **os.environ,
            "TMPDIR": str(folder),
            "WATCHKEEPER_DATABASE_URL": "postgresql://somewhere.else.example/production",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        with demo:
            yield demo
    finally:
        demo.kill()


def read_until(demo: subprocess.Popen[str], pattern: str) -> list[str]:
    """Its lines up to the first that matches, or up to its end."""
    assert demo.stdout is not None
    lines = []
    for line in demo.stdout:
        lines.append(line.rstrip())
        if re.search(pattern, line):
            return lines
    pytest.fail(f"nothing like {pattern!r} in:\n" + "\n".join(lines))


def read_rest(demo: subprocess.Popen[str]) -> str:
    assert demo.stdout is not None
    return demo.stdout.read()


def processes_of(folder: Path) -> list[int]:
    """Those that were started with this folder in their arguments or environment."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                texts = [(entry / name).read_bytes() for name in ("cmdline", "environ")]
            except OSError:
                continue  # it has ended meanwhile
            if any(os.fsencode(folder) in text for text in texts):
                found.append(int(entry.name))
    return found


def test_the_demo_tells_of_its_incident_and_leaves_nothing_behind(folder: Path) -> None:
    with running_demo(folder) as demo:
        pages = read_until(demo, "Pages")[-1].split()[-1]
        told = read_until(demo, "INCIDENT 1 opened")
        assert [line for line in told if "model update is out" in line]
        assert f"{pages}incidents/1" in "\n".join(read_until(demo, "incidents/1"))
        assert len(processes_of(folder)) > 3
        demo.send_signal(signal.SIGINT)
        assert " 0 lost" in read_rest(demo)
        assert demo.wait() == 0
    assert processes_of(folder) == []
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("moment", ["watched by the real service", "creating the tables:"])
def test_stopped_while_it_starts_the_demo_leaves_nothing_behind(folder: Path, moment: str) -> None:
    with running_demo(folder) as demo:
        read_until(demo, moment)
        demo.send_signal(signal.SIGTERM)
        read_rest(demo)
        assert demo.wait() == 0
    assert processes_of(folder) == []
    assert list(folder.iterdir()) == []


def test_when_a_part_of_it_dies_the_demo_says_so_and_ends(folder: Path) -> None:
    with running_demo(folder) as demo:
        read_until(demo, "Live traffic")
        [worker] = [pid for pid in processes_of(folder) if is_worker(pid)]
        os.kill(worker, signal.SIGKILL)
        assert "'work' ended" in read_rest(demo)
        assert demo.wait() == 1
    assert processes_of(folder) == []
    assert list(folder.iterdir()) == []


def test_killed_the_demo_leaves_no_process(folder: Path) -> None:
    with running_demo(folder) as demo:
        read_until(demo, "Live traffic")
        others = [os.pidfd_open(pid) for pid in processes_of(folder) if pid != demo.pid]
        demo.kill()
        for other in others:
            ended, _, _ = select.select([other], [], [], 60)
            os.close(other)
            assert ended
    assert processes_of(folder) == []


def is_worker(pid: int) -> bool:
    return b"\0work\0" in Path(f"/proc/{pid}/cmdline").read_bytes()
