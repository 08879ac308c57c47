"""Drawings of a graph: text, Mermaid, SVG."""
