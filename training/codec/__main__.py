"""The command `python -m soundstage.training.codec`: trains a codec, exports it, measures it."""

import typer

from soundstage.training.codec import export_commands, train_command

app = typer.Typer(
    name="soundstage.training.codec",
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)
app.callback(invoke_without_command=True, epilog=train_command.EXAMPLES)(train_command.train_codec)
app.command(epilog=export_commands.EXPORT_EXAMPLES)(export_commands.export)
app.command(epilog=export_commands.EVALUATE_EXAMPLES)(export_commands.evaluate)

if __name__ == "__main__":
    app(prog_name="python -m soundstage.training.codec")
