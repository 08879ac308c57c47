"""Training of the codec: `python -m soundstage.training.codec --help`."""
