"""`python -m soundstage.training.bandcodec`: fits the band codec, and trains its decoder."""

import typer

from soundstage.training.bandcodec import decoder_command, fit_command
from soundstage.training.command_line import trainer_app


def bandcodec_app() -> typer.Typer:
    """Makes the command, which fits the codec, with its subcommand `decoder`."""
    return trainer_app(
        fit_command.bandcodec,
        fit_command.EXAMPLES,
        {"decoder": (decoder_command.decoder, decoder_command.EXAMPLES)},
    )


if __name__ == "__main__":
    bandcodec_app()(prog_name="python -m soundstage.training.bandcodec")
