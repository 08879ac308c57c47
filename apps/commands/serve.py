"""The command `soundstage serve` and its options."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from soundstage.apps.commands.command import command
from soundstage.apps.commands.options import Panel, Quiet, RayAddress, Runner
from soundstage.apps.commands.pipeline_choice import NamedPipeline
from soundstage.errors import UsageError
from soundstage.interrupts import set_last_line
from soundstage.runners.choice import EngineRange, RunnerChoice

EXAMPLES = """Examples:

soundstage serve

soundstage serve base --port 9000 --streams 4

soundstage serve base --runner ray --ray-address 10.0.0.1:6379 --engines 2..8

SOUNDSTAGE_TOKEN=... soundstage serve --host 0.0.0.0 --tls-cert cert.pem --tls-key key.pem

soundstage serve --origin https://example.org --log-format json"""

NETWORK, LIMITS, ENGINES = Panel("Network"), Panel("Limits"), Panel("Engines")
TOKEN_VARIABLE = "SOUNDSTAGE_TOKEN"  # the name of a variable, no secret

Host = Annotated[
    str, NETWORK.option(help="The address to listen on; 0.0.0.0 = all addresses of this machine.")
]
Port = Annotated[int, NETWORK.option(min=1, max=65535, help="The TCP port, 1 to 65535.")]
Token = Annotated[
    str | None,
    NETWORK.option(
        metavar="TOKEN",
        help=f"The token that every request must carry. Set it in {TOKEN_VARIABLE} instead to keep "
        "it out of process lists.",
    ),
]
Origin = Annotated[
    list[str] | None,
    NETWORK.option(
        metavar="URL",
        help="An origin whose pages may connect, such as https://example.org. May be repeated.",
    ),
]
AllowedHost = Annotated[
    list[str] | None,
    NETWORK.option(
        metavar="NAME",
        help="A name by which clients address this server, such as that of a proxy. May be "
        "repeated. Not needed with a token.",
    ),
]
TlsCert = Annotated[
    Path | None,
    NETWORK.option(
        metavar="FILE", help="A certificate chain in PEM; turns TLS on. Needs --tls-key."
    ),
]
TlsKey = Annotated[
    Path | None, NETWORK.option(metavar="FILE", help="The key of --tls-cert, in PEM.")
]
Insecure = Annotated[
    bool, NETWORK.option("--insecure", help="Let other machines connect without a token.")
]
Streams = Annotated[
    int, LIMITS.option(min=1, max=4096, help="The most streams that play at once, 1 to 4096.")
]
Capacity = Annotated[
    int | None,
    LIMITS.option(
        min=1,
        help="The most real-time streams at once, at least 1.",
        show_default="as many as this machine keeps up with, measured",
    ),
]
Drain = Annotated[
    float,
    LIMITS.option(
        min=0,
        max=3600,
        metavar="SECONDS",
        help="After SIGTERM, seconds that streams may continue, 0 to 3600.",
    ),
]
Engines = Annotated[
    str,
    ENGINES.option(
        metavar="N|MIN..MAX",
        help="With --runner ray, the number of engines, 1 to 1024: each is the whole pipeline on "
        "devices of its own. MIN..MAX: engines are added when little time is left on them, and "
        "removed when fewer would do.",
    ),
]
Batch = Annotated[
    Literal["fit", "fixed"],
    ENGINES.option(
        help="On accelerators, the rows of a tick. fit: 1, 2, 4, ..., as many as want a chunk. "
        "fixed: always as many as --streams, so that the bytes of a stream do not depend on others."
    ),
]
Window = Annotated[
    int | None,
    ENGINES.option(
        metavar="N",
        min=1,
        max=2,
        help="Chunks of a real-time stream in flight at once, 1 or 2. With 2, the next chunk is "
        "begun as soon as it is wanted, even if the last one is still being made, where ticks have "
        "one row; the audio is the same. Ray engines have 1.",
        show_default="2, with Ray 1",
    ),
]
Reload = Annotated[
    bool,
    ENGINES.option(
        "--reload",
        help="At SIGHUP, read the pipeline and its weights again: new engines start beside the old "
        "ones, and streams whose state fits go on with them.",
    ),
]
LogFormat = Annotated[
    Literal["text", "json"], typer.Option("--log-format", help="The format of log lines.")
]


@command
def serve(
    choice: NamedPipeline,
    host: Host = "127.0.0.1",
    port: Port = 8080,
    token: Token = None,
    origin: Origin = None,
    allowed_host: AllowedHost = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    insecure: Insecure = False,
    streams: Streams = 64,
    capacity: Capacity = None,
    drain: Drain = 30.0,
    runner: Runner = "local",
    ray_address: RayAddress = None,
    engines: Engines = "1",
    batch: Batch = "fit",
    window: Window = None,
    reload: Reload = False,
    log_format: LogFormat = "text",
    quiet: Quiet = False,
) -> None:
    """Serve music: a page for browsers, and protocols for applications.

    Many listeners share one pipeline; each has a stream of its own. Open the printed address in a
    browser. Needs `pip install '.[serve]'`.
    """
    where = RunnerChoice(runner, ray_address, window)
    limits = _read_engines(where, engines)
    graph = choice.load()
    try:
        from soundstage.apps.server.lifetime import log_to_stderr
        from soundstage.apps.server.lifetime import serve as run
        from soundstage.apps.server.settings import ServeSettings
    except ModuleNotFoundError as error:
        raise UsageError(
            f"serving needs {error.name}, which is not installed: in soundstage's source folder, "
            "run pip install '.[serve]'"
        ) from error
    settings = ServeSettings(
        host=host,
        port=port,
        token=token or os.environ.get(TOKEN_VARIABLE) or None,
        origins=tuple(origin or ()),
        allowed_hosts=tuple(allowed_host or ()),
        tls_cert=tls_cert,
        tls_key=tls_key,
        insecure=insecure,
        drain_s=drain,
    )
    log_to_stderr(log_format, quiet)
    set_last_line("")  # the log has lines of its own
    run(
        graph,
        settings,
        streams=streams,
        capacity=capacity,
        runner=where,
        engines=limits,
        fits=batch == "fit",
        load=choice.load if reload else None,
    )


def _read_engines(runner: RunnerChoice, engines: str) -> EngineRange:
    """Returns the numbers of engines.

    Raises:
        UsageError: the text is none, or the runner cannot do what is asked for.
    """
    limits = EngineRange.read(engines)
    if limits.most > 1 and runner.kind != "ray":
        raise UsageError(f"--engines {engines} needs --runner ray; one process has one engine")
    if (runner.window or 1) > 1 and runner.kind == "ray":
        raise UsageError(
            f"--window {runner.window} needs --runner local; a Ray engine makes the chunks of a "
            "stream one after another"
        )
    return limits
