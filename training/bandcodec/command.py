"""The command: fits the band codec, and trains its decoder."""

import typer

from soundstage.training.bandcodec import decoder_command, fit_command
from soundstage.training.command_line import run_app, trainer_app


def bandcodec_app() -> typer.Typer:
    """Makes the command, which fits the codec, with its subcommand `decoder`."""
    return trainer_app(
        fit_command.bandcodec,
        fit_command.EXAMPLES,
        {"decoder": (decoder_command.decoder, decoder_command.EXAMPLES)},
    )


def main() -> None:
    """Runs the command and ends the process with its exit code."""
    run_app(bandcodec_app(), "soundstage.training.bandcodec")
