"""`soundstage health`: whether a server answers, for containers and supervisors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from soundstage.apps.commands import serve
from soundstage.apps.commands.command import command
from soundstage.apps.commands.exit_codes import CommandFailed, print_error
from soundstage.apps.server.settings import EVERY_ADDRESS
from soundstage.errors import InputError

EXAMPLES = """Examples:

soundstage health

soundstage health http://127.0.0.1:9000"""
PROCESSES = Path("/proc")


@command
def health(
    url: Annotated[
        str | None,
        typer.Argument(
            metavar="URL",
            help="The server's address, http:// or https://; left out = that of the server that "
            "runs on this machine, found by its command line (Linux).",
        ),
    ] = None,
    timeout: Annotated[
        float, typer.Option(min=0.1, max=600, metavar="SECONDS", help="How long to wait.")
    ] = 10.0,
) -> None:
    """Ask a server whether it is alive: exit code 0 if it answers, 1 if not.

    Certificates are not checked: one for the server's public name does not name this machine.
    """
    address = server_address(url) + "/healthz"
    fetch(address, timeout)
    print(f"{address}: 200")


def server_address(url: str | None) -> str:
    """Returns a server's address without a slash at its end; None = that of this machine's server.

    Raises:
        InputError: there is no such server, or `url` is no address.
    """
    address = running_server(PROCESSES) if url is None else url
    if not address.startswith(("http://", "https://")):
        raise InputError(f"{address}: give an address such as http://127.0.0.1:8080")
    return address.rstrip("/")


def fetch(address: str, timeout_s: float, token: str | None = None) -> str:
    """Returns the text at an address; certificates are not checked.

    Raises:
        CommandFailed: the server does not answer, or refuses.
    """
    import ssl
    import urllib.request  # late: every command would wait for it

    unchecked = ssl.create_default_context()
    unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        request = urllib.request.Request(address, headers=headers)
        with urllib.request.urlopen(request, timeout=timeout_s, context=unchecked) as answer:
            return str(answer.read().decode())
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        if getattr(error, "code", None) == 401:
            needs = "the token is not this server's" if token else "this server needs its token"
            reason = f"{needs}: give it with --token or SOUNDSTAGE_TOKEN"
        print_error(f"{address}: {reason}")
        raise CommandFailed(1) from error


def running_server(processes: Path) -> str:
    """Returns the address of the first `soundstage serve` among processes.

    Args:
        processes: a folder like /proc, with a file `cmdline` for each process.

    Returns:
        Such as `https://127.0.0.1:8443`.

    Raises:
        InputError: there is no such process.
    """
    numbered = (path for path in processes.glob("[0-9]*") if path.name.isdecimal())
    for folder in sorted(numbered, key=lambda path: int(path.name)):
        try:
            words = (folder / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")[:-1]
        except OSError:  # it has ended, or is another user's
            continue
        options = serve_options(words)
        if options is not None:
            return serve_address(options)
    raise InputError("no running `soundstage serve` was found: name the server's address")


def serve_options(words: list[str]) -> list[str] | None:
    """Returns the words behind `soundstage serve` in a process's command line, if it is one."""
    for place, word in enumerate(words[:-1]):
        if Path(word).name == "soundstage" and words[place + 1] == "serve":
            return words[place + 2 :]
    return None


def serve_address(options: list[str]) -> str:
    """Returns the address at which `soundstage serve` with these options is reached from here."""
    app = typer.Typer()
    app.command()(serve.serve)
    parsed = typer.main.get_command(app).make_context("serve", options, resilient_parsing=True)
    host = EVERY_ADDRESS.get(parsed.params["host"], parsed.params["host"])
    scheme = "https" if parsed.params["tls_cert"] else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{parsed.params['port']}"
