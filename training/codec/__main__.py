"""The command `python -m soundstage.training.codec`: trains a codec, exports it, measures it."""

import typer

from soundstage.training.codec import cli_export, cli_train

app = typer.Typer(
    name="soundstage.training.codec",
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["--help", "-h"]},
)
app.callback(invoke_without_command=True, epilog=cli_train.EXAMPLES)(cli_train.train_codec)
app.command(epilog=cli_export.EXPORT_EXAMPLES)(cli_export.export)
app.command(epilog=cli_export.EVALUATE_EXAMPLES)(cli_export.evaluate)

if __name__ == "__main__":
    app(prog_name="python -m soundstage.training.codec")
