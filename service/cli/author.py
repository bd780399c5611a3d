"""Who applies: the name that versions are kept with."""

import getpass
import shutil
import subprocess
from collections.abc import Mapping

_VARIABLE = "WATCHKEEPER_AUTHOR"
_PATIENCE_S = 5


def find_author(given: str | None, environment: Mapping[str, str]) -> str:
    """What was given, else WATCHKEEPER_AUTHOR, git's user.email, or the account's name."""
    return (
        (given or "").strip()
        or environment.get(_VARIABLE, "").strip()
        or _ask_git()
        or _ask_system()
        or "unknown"
    )


def _ask_git() -> str:
    git = shutil.which("git")
    if git is None:
        return ""
    try:
        asked = subprocess.run(  # noqa: S603 - nothing of it comes from elsewhere
            [git, "config", "user.email"],
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return asked.stdout.strip()


def _ask_system() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return ""  # an account without a name, as in some containers
