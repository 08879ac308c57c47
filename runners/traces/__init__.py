"""Recorded runs: every message of every tick, replayed and compared."""
