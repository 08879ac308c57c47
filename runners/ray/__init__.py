"""Ticks executed by Ray actors, on one machine or many."""
