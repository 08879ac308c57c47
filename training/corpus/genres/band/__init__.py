"""Genres of bands with drums, bass and guitars."""
