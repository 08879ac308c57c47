"""The command `soundstage`: one function a command, each in a file of its own."""

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from soundstage.runners import (
    cli_branch,
    cli_doctor,
    cli_finetune,
    cli_generate,
    cli_inspect,
    cli_models,
    cli_pipeline,
    cli_plan,
    cli_play,
    cli_replay,
    cli_serve,
    cli_variants,
    cli_verify,
)
from soundstage.runners.exit_codes import STOPPED, CommandFailed, errors_as_lines
from soundstage.runners.interrupts import stopped_politely

EXIT_CODES = """Exit codes: 0 done; 1 verify found faults, two runs differ, or doctor found it too
slow; 2 wrong command line; 3 bad input (prompt, audio file, duration, control, session, recorded
run); 4 bad pipeline; 5 bad weights; 6 output cannot be written; 7 a stage failed; 8 a download
failed; 130 stopped with Ctrl-C."""

app = typer.Typer(
    name="soundstage",
    help="Make music with a pipeline of pluggable, typed stages.",
    epilog=EXIT_CODES,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)
app.command(epilog=cli_generate.EXAMPLES)(cli_generate.generate)
app.command(epilog=cli_play.EXAMPLES)(cli_play.play)
app.command(epilog=cli_serve.EXAMPLES)(cli_serve.serve)
app.command(epilog=cli_doctor.EXAMPLES)(cli_doctor.doctor)
app.command(epilog=cli_variants.EXAMPLES)(cli_variants.variants)
app.command(epilog=cli_branch.EXAMPLES)(cli_branch.branch)
app.command(epilog=cli_pipeline.CHECK_EXAMPLES)(cli_pipeline.check)
app.command(epilog=cli_pipeline.GRAPH_EXAMPLES)(cli_pipeline.graph)
app.command()(cli_pipeline.presets)
app.command(epilog=cli_plan.EXAMPLES)(cli_plan.plan)
app.command(epilog=cli_inspect.EXAMPLES)(cli_inspect.inspect)
app.command(epilog=cli_replay.REPLAY_EXAMPLES)(cli_replay.replay)
app.command(epilog=cli_replay.DIFF_EXAMPLES)(cli_replay.diff)
app.command(epilog=cli_verify.EXAMPLES)(cli_verify.verify)
app.add_typer(cli_models.app, name="models")
app.command(epilog=cli_finetune.EXAMPLES)(cli_finetune.finetune)


def _print_version(asked: bool) -> None:
    if asked:
        from soundstage.runners.version import version

        print(f"soundstage {version()}")
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option(
        "--version", callback=_print_version, is_eager=True, help="Print the version and leave."
    ),
]


@app.callback(invoke_without_command=True)
def _root(context: typer.Context, version: Version = False) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help())


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs one command and ends the process with its exit code.

    Args:
        arguments: the command line without the program's name; None takes the process's own.

    Raises:
        SystemExit: with a code from the table in `runners.errors`.
    """
    with stopped_politely():
        code = _run(list(sys.argv[1:] if arguments is None else arguments))
    if code == STOPPED and arguments is None:
        # Threads of stages under way would keep the process until they are done.
        os._exit(code)
    sys.exit(code)


def _run(arguments: list[str]) -> int:
    command = typer.main.get_command(app)
    try:
        with errors_as_lines("--debug" in arguments):
            command.main(arguments, prog_name="soundstage", standalone_mode=False)
            sys.stdout.flush()
    except CommandFailed as failure:
        return failure.code
    return 0


if __name__ == "__main__":
    main()
