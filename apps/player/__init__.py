"""Live playing: from a session to whatever makes it heard, with live controls."""
