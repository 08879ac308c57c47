"""The names by which a server answers, and requests that pages of other sites cause.

A page of another site can make a browser send requests to a server on the same machine: directly,
which the browser reports in `Origin`, `Sec-Fetch-Site` or `Referer`, or by letting its own name
point to 127.0.0.1 (DNS rebinding), which only `Host` shows.
"""

from __future__ import annotations

import re
import socket
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers

LOCAL_NAMES = frozenset({"localhost"})
# Values of Sec-Fetch-Site of requests that no page of another site caused.
OWN_SITES = frozenset({"same-origin", "none"})
# A name, an IPv4 address, or an IPv6 address in brackets; then maybe a port. Nothing else, such as
# a user or a path: two readers of such a value may take different parts of it for the name.
HOST = re.compile(r"(?P<name>[^\s/?#@\\:\[\]]+|\[(?P<ipv6>[0-9a-f:.]+)(%\w+)?\])(:\d{0,5})?", re.I)


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
    match = HOST.fullmatch(header)
    if match is None:
        return False
    name = (match["ipv6"] or match["name"]).lower().removesuffix(".")
    if name in names or (name.endswith(".localhost") and not name.startswith(".")):
        return True
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def origin_of(headers: Headers) -> str | None:
    """Returns the origin of the page that caused a request, if the request tells.

    Images, media and links have no `Origin`, but may have a `Referer`, which no page can forge.

    Returns:
        Such as "https://example.org", in lower case; None = the request does not tell.
    """
    origin = headers.get("origin")
    if origin is not None:
        return origin.rstrip("/").lower()
    try:
        page = urlsplit(headers.get("referer", ""))
    except ValueError:
        return None
    return f"{page.scheme}://{page.netloc}".lower() if page.netloc else None


def is_from_another_site(headers: Headers) -> bool:
    """Tells whether a page of another site caused a request, as an image or a link does.

    Browsers send `Sec-Fetch-Site`; other clients send no such header.
    """
    sites = headers.getlist("sec-fetch-site") or ["none"]
    return any(site.lower() not in OWN_SITES for site in sites)
