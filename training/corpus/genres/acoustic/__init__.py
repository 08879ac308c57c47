"""Genres of acoustic instruments and ensembles."""
