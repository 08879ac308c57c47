"""The command `soundstage`: registers its subcommands, each from a file of its own."""

import os
import sys
from collections.abc import Callable, Sequence
from functools import cache
from typing import Annotated, Any

import typer

from soundstage.apps.commands import (
    finetune,
    inspect,
    pipeline,
    replay,
    serve,
    server_health,
    top,
    verify,
)
from soundstage.apps.commands.branch import branch
from soundstage.apps.commands.doctor import doctor
from soundstage.apps.commands.exit_codes import CommandFailed, errors_as_lines, warnings_as_lines
from soundstage.apps.commands.generate import generate
from soundstage.apps.commands.models import models
from soundstage.apps.commands.new_stage import new_stage
from soundstage.apps.commands.plan import plan
from soundstage.apps.commands.play import play
from soundstage.apps.commands.variants import variants
from soundstage.interrupts import exit_code, leave_if_stopping, listen

EXIT_CODES = """Exit codes: 0 done; 1 verify found a wrong array, two runs differ, doctor found the
pipeline too slow, or health got no answer; 2 wrong command line; 3 bad input (prompt, audio file,
duration, control, session, recorded run); 4 bad pipeline; 5 bad weights; 6 output cannot be
written; 7 a stage failed; 8 a download failed; 70 an error of soundstage itself; 130 stopped with
Ctrl-C, 143 by SIGTERM, 129 by SIGHUP."""

# Former names of options, which are read and not shown.
RENAMED = {"--guidance-weight": "--guidance"}

app = typer.Typer(
    name="soundstage",
    help="Make music with a pipeline of pluggable, typed stages.",
    epilog=EXIT_CODES,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)
app.command(epilog=generate.EXAMPLES)(generate.generate)
app.command(epilog=play.EXAMPLES)(play.play)
app.command(epilog=serve.EXAMPLES)(serve.serve)
app.command(epilog=server_health.EXAMPLES)(server_health.health)
app.command(epilog=top.EXAMPLES)(top.top)
app.command(epilog=doctor.EXAMPLES)(doctor.doctor)
app.command(epilog=variants.EXAMPLES)(variants.variants)
app.command(epilog=branch.EXAMPLES)(branch.branch)
app.command(epilog=pipeline.CHECK_EXAMPLES)(pipeline.check)
app.command(epilog=pipeline.GRAPH_EXAMPLES)(pipeline.graph)
app.command(epilog=pipeline.PRESETS_EXAMPLES)(pipeline.presets)
app.command(epilog=new_stage.EXAMPLES)(new_stage.new_stage)
app.command(epilog=plan.EXAMPLES)(plan.plan)
app.command(epilog=inspect.EXAMPLES)(inspect.inspect)
app.command(epilog=replay.REPLAY_EXAMPLES)(replay.replay)
app.command(epilog=replay.DIFF_EXAMPLES)(replay.diff)
app.command(epilog=verify.EXAMPLES)(verify.verify)
app.add_typer(models.app, name="models")
app.command(epilog=finetune.EXAMPLES)(finetune.finetune)


def _print_version(requested: bool) -> None:
    if requested:
        from soundstage.version import version

        print(f"soundstage {version()}")
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option(
        "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
    ),
]


@app.callback(invoke_without_command=True)
def _root(context: typer.Context, version: Version = False) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help())


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs one command and ends the process with its exit code.

    Args:
        arguments: the command line without the program's name; None = that of this process.

    Raises:
        SystemExit: with a code from the table in `soundstage.errors`.
    """
    if arguments is None:
        listen()
    code = _run(list(sys.argv[1:] if arguments is None else arguments))
    leave_if_stopping()
    if code == exit_code() and arguments is None:
        # Ctrl-C as a key: the threads of running stages would keep the process alive.
        os._exit(code)
    sys.exit(code)


def _run(arguments: list[str]) -> int:
    arguments = [_present_name(each) for each in arguments]
    try:
        with errors_as_lines("--debug" in arguments), warnings_as_lines():
            _command_line()(
                arguments,
                prog_name="soundstage",
                standalone_mode=False,
            )
            sys.stdout.flush()
    except CommandFailed as failure:
        return failure.code
    return 0


@cache
def _command_line() -> Callable[..., Any]:
    """Returns the function that runs arguments; building it takes longer than many commands."""
    return typer.main.get_command(app).main


def _present_name(argument: str) -> str:
    """Returns an argument with the present name of an option that was renamed."""
    option, equals, value = argument.partition("=")
    return RENAMED.get(option, option) + equals + value


if __name__ == "__main__":
    main()
