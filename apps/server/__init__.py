"""Live music for many listeners: the engine, the protocols, the page."""
