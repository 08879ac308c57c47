"""The command: trains a codec, exports it, measures it."""

import typer

from soundstage.training.codec import export_commands, train_command
from soundstage.training.command_line import run_app, trainer_app


def codec_app() -> typer.Typer:
    """Makes the command, which trains, with its subcommands `export` and `evaluate`."""
    return trainer_app(
        train_command.train_codec,
        train_command.EXAMPLES,
        {
            "export": (export_commands.export, export_commands.EXPORT_EXAMPLES),
            "evaluate": (export_commands.evaluate, export_commands.EVALUATE_EXAMPLES),
        },
    )


def main() -> None:
    """Runs the command and ends the process with its exit code."""
    run_app(codec_app(), "soundstage.training.codec")
