"""A graph as people see it: text, Mermaid, SVG."""
