"""Many streams on one runner: each is a row of the batch."""
