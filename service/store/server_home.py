"""The directory that the embedded server lives in: made where it is missing, else used as it is."""

import os
import pwd
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from service.errors import UnavailableError

SERVER_ACCOUNT = "nobody"  # PostgreSQL refuses to run as root; used only when we are root


class EmbeddedServerError(UnavailableError):
    """The embedded PostgreSQL server cannot be used."""


def server_uid() -> int | None:
    """The account that the server has to run as; None is our own."""
    return pwd.getpwnam(SERVER_ACCOUNT).pw_uid if os.geteuid() == 0 else None


def prepare_home(home: Path) -> None:
    """Make the directory where it is missing; never touch the modes of one that was there.

    Raises:
        EmbeddedServerError: It cannot be used, with what to do about it.
    """
    with explained(home):
        missing = [folder for folder in (home, *home.parents) if not folder.exists()]
        for folder in reversed(missing):
            _make_private(folder)
        _refuse_unsuitable(home)


@contextmanager
def explained(home: Path) -> Iterator[None]:
    """Turn what the file system refuses into one line that says what to do."""
    try:
        yield
    except OSError as error:
        place = f" ({error.filename})" if error.filename else ""
        raise EmbeddedServerError(
            f"The data directory {home} cannot be used: {error.strerror}{place}. Correct that, or "
            "set WATCHKEEPER_DATA_DIR to another directory"
        ) from None


def first_closed_directory(path: Path) -> Path | None:
    """The first directory on the way to `path` that other accounts may not enter."""
    for directory in reversed([path, *path.parents]):
        if not directory.stat().st_mode & stat.S_IXOTH:
            return directory
    return None


def make_owned(directory: Path, owner: int | None) -> None:
    """Make a directory that only `owner` (None: we) may enter; one that exists must be like that.

    In a folder that everybody may write to, somebody else could have made it first.
    """
    try:
        directory.mkdir(mode=0o700)
    except FileExistsError:
        found = directory.lstat()
        wanted = os.geteuid() if owner is None else owner
        if stat.S_ISDIR(found.st_mode) and found.st_uid == wanted and not found.st_mode & 0o022:
            return
        raise EmbeddedServerError(
            f"{directory} was made by somebody else; remove it, or set WATCHKEEPER_DATA_DIR to a "
            "shorter path"
        ) from None
    if owner is not None:
        os.chown(directory, owner, -1)


def _make_private(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        return  # somebody else was quicker: theirs to set the mode of
    if os.geteuid() == 0:
        folder.chmod(0o711)  # the server's account passes through


def _refuse_unsuitable(home: Path) -> None:
    found = home.stat()
    if not stat.S_ISDIR(found.st_mode):
        raise EmbeddedServerError(
            f"WATCHKEEPER_DATA_DIR is {home}, which is not a directory; set it to one"
        )
    if os.geteuid() != 0:
        if found.st_uid != os.geteuid():
            raise EmbeddedServerError(
                f"The data directory {home} belongs to another account (uid {found.st_uid}), who "
                "could replace what is in it. Set WATCHKEEPER_DATA_DIR to a directory of your own"
            )
        return
    blocking = first_closed_directory(home)
    if blocking is not None:
        raise EmbeddedServerError(
            f"PostgreSQL runs as '{SERVER_ACCOUNT}' when started by root, and that account "
            f"cannot enter {blocking}. Set WATCHKEEPER_DATA_DIR to a folder below directories "
            f"that everybody may enter, or run: chmod o+x {blocking}"
        )
