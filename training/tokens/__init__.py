"""Music as the transformer sees it, computed once: codec tokens and styles in an Arrow file."""
