"""Comparison of the networks with recordings of the originals."""
