"""Live playing for one listener: a session through the speakers, steered while it plays."""
