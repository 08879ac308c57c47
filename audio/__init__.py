"""Reads and writes audio files as float32 arrays, with tags that record their provenance."""
