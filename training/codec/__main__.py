"""`python -m soundstage.training.codec`: trains a codec, exports it, measures it."""

import typer

from soundstage.training.codec import export_commands, train_command
from soundstage.training.command_line import HELP_OPTIONS, make_app


def codec_app() -> typer.Typer:
    """Makes the command, which trains, with its subcommands `export` and `evaluate`."""
    app = make_app()
    app.callback(
        invoke_without_command=True,
        epilog=train_command.EXAMPLES,
        context_settings=HELP_OPTIONS,
    )(train_command.train_codec)
    app.command(epilog=export_commands.EXPORT_EXAMPLES)(export_commands.export)
    app.command(epilog=export_commands.EVALUATE_EXAMPLES)(export_commands.evaluate)
    return app


if __name__ == "__main__":
    codec_app()(prog_name="python -m soundstage.training.codec")
