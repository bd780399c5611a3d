"""Addresses to listen on: found out before anything is started."""

import errno
import socket

from service.errors import WatchkeeperError

_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - recognised, not bound to


class PortNotUsableError(WatchkeeperError):
    """Nothing can listen there."""


def usable_port(host: str, port: int, *, option: str = "--port") -> int:
    """This port, or for 0 a free one. Another program can still take it before we do.

    Raises:
        PortNotUsableError: saying what to do.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind) as tried:
            # As the server will: connections of a server that just ended are no obstacle.
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind(address)
            # Binding alone would succeed where another socket is bound in the same way.
            tried.listen()
            found: int = tried.getsockname()[1]
    except socket.gaierror as error:
        raise _not_usable(host, port, error.strerror, "Set --host to another address") from None
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL:
            remedy = "Set --host to an address of this machine"
        else:
            remedy = f"Choose another one with {option} (0 takes a free one)"
        raise _not_usable(host, port, error.strerror, remedy) from None
    return found


def listen(host: str, port: int, *, shared: bool) -> socket.socket:
    """A socket that is bound there; `shared`: other processes may bind theirs beside it, and the
    kernel deals the connections out among them."""
    family, kind, _, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listener.bind(address)
    return listener


def url_of(host: str, port: int) -> str:
    """Where a browser on this machine reaches what listens there."""
    reached = _EVERYWHERE.get(host, host)
    return f"http://[{reached}]:{port}" if ":" in reached else f"http://{reached}:{port}"


def _not_usable(host: str, port: int, reason: str | None, remedy: str) -> PortNotUsableError:
    return PortNotUsableError(f"Cannot listen on port {port} of {host}: {reason}. {remedy}")
