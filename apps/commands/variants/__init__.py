"""`soundstage variants`."""
