"""`python -m soundstage.training.codec`: trains a codec, exports it, measures it."""

import typer

from soundstage.training.codec import export_commands, train_command
from soundstage.training.command_line import trainer_app


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


if __name__ == "__main__":
    codec_app()(prog_name="python -m soundstage.training.codec")
