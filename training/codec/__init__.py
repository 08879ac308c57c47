"""Training of the codec: `python -m training.codec --help`."""
