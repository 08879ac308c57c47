"""Prompts to a style embedding by a small network of our own, and embeddings to style tokens."""

from soundstage.stages.style.stage import Embed, Quantize

__all__ = ["Embed", "Quantize"]
