"""Time, machines and people: what executes a graph, and how people reach it."""
