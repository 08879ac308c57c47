"""Genres of synthesizers and drum machines."""
