"""Evaluation of a whole pipeline on held-out pieces and texts."""
