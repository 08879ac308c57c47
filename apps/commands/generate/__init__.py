"""`soundstage generate`."""
