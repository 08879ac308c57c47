"""Many streams on one engine or several: each stream is on one engine at a time, and may move."""
