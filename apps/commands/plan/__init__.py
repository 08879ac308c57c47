"""`soundstage plan`."""
