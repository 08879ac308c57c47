"""Training of a SpectroStream codec: `python -m soundstage.training.codec --help`."""
