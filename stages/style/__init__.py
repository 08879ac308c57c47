"""A style embedder with random weights, and the quantizer from embeddings to style tokens."""

from soundstage.stages.style.stage import Embed, Quantize

__all__ = ["Embed", "Quantize"]
