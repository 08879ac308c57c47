"""Fits the band codec to a corpus: without gradients, in a few minutes, deterministic."""
