"""Measures of single pieces of audio."""
