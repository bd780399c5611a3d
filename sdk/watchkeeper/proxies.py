"""The HTTP proxy on the way to the server, if there is one."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import unquote
from urllib.request import getproxies_environment, proxy_bypass

import urllib3


def proxy_of(url: str, stated: str | None) -> str | None:
    """The address of the proxy for `url`: the one stated ("" for none at all); where none is, the
    one that HTTP_PROXY or HTTPS_PROXY names, unless NO_PROXY exempts the host, or the host is this
    very machine."""
    if stated is not None:
        return with_scheme(stated) or None
    target = urllib3.util.parse_url(url)
    host = target.host or ""
    found = getproxies_environment().get(target.scheme or "http")
    if not found or _is_this_machine(host.strip("[]")):
        return None
    # Where the environment names a proxy, it alone is asked, not the settings of the system
    is_exempt = proxy_bypass(f"{host}:{target.port}" if target.port else host)
    return None if is_exempt else with_scheme(found)


def with_scheme(proxy: str) -> str:
    """
    >>> with_scheme("proxy.example:3128"), with_scheme("https://proxy.example"), with_scheme("")
    ('http://proxy.example:3128', 'https://proxy.example', '')
    """
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"


def is_usable(proxy: str) -> bool:
    """Whether it is the address of an HTTP proxy; one of SOCKS would need more than urllib3."""
    try:
        parsed = urllib3.util.parse_url(proxy)
    except ValueError:
        return False
    return parsed.scheme in ("http", "https") and bool(parsed.host)


def pool_through(proxy: str | None) -> urllib3.PoolManager:
    """One connection to the server: a tunnel (CONNECT) where that is https. Name and password in
    the address of the proxy are for the proxy alone."""
    if proxy is None:
        return urllib3.PoolManager(num_pools=1, maxsize=1)
    auth = urllib3.util.parse_url(proxy).auth
    headers = urllib3.make_headers(proxy_basic_auth=unquote(auth)) if auth else None
    return urllib3.ProxyManager(proxy, num_pools=1, maxsize=1, proxy_headers=headers)


def _is_this_machine(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):  # RFC 6761
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
