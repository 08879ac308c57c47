"""Keeps paths of the server's disk out of what clients are told."""

from __future__ import annotations

import re

# A path with at least one folder. Its folders may hold blanks, but no colon, comma or quote, with
# which messages end a path. An address such as https://host/page is none: two slashes follow the
# colon.
_PATH = re.compile(
    r"""(?:(?<![\w.~/\\-])|(?<=file://))   # where a path begins
        (?:~\w*|[A-Za-z]:)?[/\\](?![/\\\s])
        (?:[^/\\\n:'"`,~]+[/\\]+)+           # its folders
        ([^\s/\\:'"`,;)\]]*)               # its last name""",
    re.VERBOSE,
)
# What is left of a path that has no last name.
_UNNAMED = "a folder"
# The addresses of WebSockets, which look like paths.
_OWN = "/ws/"


def without_folders(text: str) -> str:
    """Returns a text with the last names only of the absolute paths in it.

    A client must not learn where files lie on the server, whatever error it causes.
    """
    return _PATH.sub(_last_name, text)


def _last_name(path: re.Match[str]) -> str:
    if path[0].startswith(_OWN):
        return path[0]
    return path[1] or _UNNAMED
