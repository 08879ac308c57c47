"""`soundstage serve`: its options, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from soundstage.apps.commands.exit_codes import errors_as_lines
from soundstage.apps.commands.options import (
    Allow,
    Debug,
    Named,
    Pipeline,
    Place,
    Preset,
    Quiet,
    Set,
)
from soundstage.apps.commands.pipeline_choice import choose
from soundstage.errors import UsageError

EXAMPLES = """Examples:

soundstage serve

soundstage serve base --port 9000 --streams 4

SOUNDSTAGE_TOKEN=... soundstage serve --host 0.0.0.0 --tls-cert cert.pem --tls-key key.pem

soundstage serve --origin https://example.org --log-format json"""

NETWORK, LIMITS = "Network", "Limits"
TOKEN_VARIABLE = "SOUNDSTAGE_TOKEN"  # the name of a variable, no secret

Host = Annotated[
    str,
    typer.Option(
        help="The address to listen on; 0.0.0.0 = every one of this machine.",
        rich_help_panel=NETWORK,
    ),
]
Port = Annotated[int, typer.Option(min=1, max=65535, help="The port.", rich_help_panel=NETWORK)]
Token = Annotated[
    str | None,
    typer.Option(
        metavar="TOKEN",
        help=f"What every request must carry. In {TOKEN_VARIABLE} it stays out of process lists.",
        rich_help_panel=NETWORK,
    ),
]
Origin = Annotated[
    list[str] | None,
    typer.Option(
        metavar="URL",
        help="A page of another server that may connect, such as https://example.org.",
        rich_help_panel=NETWORK,
    ),
]
TlsCert = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="A certificate chain; turns TLS on.", rich_help_panel=NETWORK
    ),
]
TlsKey = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Its key.", rich_help_panel=NETWORK)
]
Insecure = Annotated[
    bool,
    typer.Option(
        "--insecure", help="Let other machines in without a token.", rich_help_panel=NETWORK
    ),
]
Streams = Annotated[
    int, typer.Option(min=1, max=4096, help="The most streams at once.", rich_help_panel=LIMITS)
]
Capacity = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Streams let in that play in real time.",
        show_default="as many as are measured to come in time",
        rich_help_panel=LIMITS,
    ),
]
Drain = Annotated[
    float,
    typer.Option(
        min=0,
        max=3600,
        metavar="SECONDS",
        help="How long listeners may go on when the server is told to end (SIGTERM).",
        rich_help_panel=LIMITS,
    ),
]
LogFormat = Annotated[
    Literal["text", "json"], typer.Option("--log-format", help="Lines for people or for machines.")
]


def serve(
    named: Named = None,
    preset: Preset = None,
    pipeline: Pipeline = None,
    set_: Set = None,
    place: Place = None,
    allow: Allow = None,
    host: Host = "127.0.0.1",
    port: Port = 8080,
    token: Token = None,
    origin: Origin = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    insecure: Insecure = False,
    streams: Streams = 64,
    capacity: Capacity = None,
    drain: Drain = 30.0,
    log_format: LogFormat = "text",
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Serve music: a page to play it on, and protocols for applications.

    Many listeners share one pipeline; each has a stream of its own. Open the address that is
    printed in a browser. Needs `pip install 'soundstage[serve]'`.
    """
    with errors_as_lines(debug):
        graph = choose(named, preset, pipeline, set_, place, allow).load()
        try:
            from soundstage.apps.server.lifetime import log_to_stderr
            from soundstage.apps.server.lifetime import serve as run
            from soundstage.apps.server.settings import ServeSettings
        except ModuleNotFoundError as error:
            raise UsageError(
                f"serving needs {error.name}: pip install 'soundstage[serve]'"
            ) from error
        settings = ServeSettings(
            host=host,
            port=port,
            token=token or os.environ.get(TOKEN_VARIABLE) or None,
            origins=tuple(origin or ()),
            tls_cert=tls_cert,
            tls_key=tls_key,
            insecure=insecure,
            drain_s=drain,
        )
        log_to_stderr(log_format, quiet)
        run(graph, settings, streams=streams, capacity=capacity)
