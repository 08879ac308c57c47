"""Many streams on one runner: each stream is a row of the batch."""
