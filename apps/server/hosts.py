"""The names by which a server answers, and requests that pages of other sites cause.

A page of another site can make a browser send requests to a server on the same machine: directly,
which the browser reports in `Origin` or `Sec-Fetch-Site`, or by letting its own name point to
127.0.0.1 (DNS rebinding), which only `Host` shows.
"""

from __future__ import annotations

import socket
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers

LOCAL_NAMES = frozenset({"localhost"})
# Values of Sec-Fetch-Site of requests that no page of another site caused.
OWN_SITES = frozenset({"same-origin", "none"})


def answering_names(
    host: str, allowed: tuple[str, ...], origins: tuple[str, ...]
) -> frozenset[str]:
    """Returns the names by which a server answers besides IP addresses.

    Args:
        host: the name or address that it listens on.
        allowed: other names.
        origins: origins whose pages may connect; their hosts may be names of a proxy.
    """
    own = {host, socket.gethostname(), *allowed}
    own |= {urlsplit(origin).hostname or "" for origin in origins}
    return LOCAL_NAMES | {name.lower().rstrip(".") for name in own if name}


def is_answering(names: frozenset[str], header: str) -> bool:
    """Tells whether a server answers to a `Host` header.

    An IP address cannot be rebound, so every address is accepted.

    Args:
        names: as `answering_names` returns them.
        header: the value of the header, with or without a port.
    """
    try:
        name = (urlsplit(f"//{header}").hostname or "").rstrip(".")
    except ValueError:
        return False
    if name in names or name.endswith(".localhost"):
        return True
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def is_from_another_site(headers: Headers) -> bool:
    """Tells whether a page of another site caused a request, as an image or a link does.

    Browsers send `Sec-Fetch-Site`; other clients send no such header.
    """
    return headers.get("sec-fetch-site", "none").lower() not in OWN_SITES
