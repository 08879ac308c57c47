"""Fits the codec without phases to a corpus: no gradients, a few minutes, the same every time."""
