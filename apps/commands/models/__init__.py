"""`soundstage models`."""
