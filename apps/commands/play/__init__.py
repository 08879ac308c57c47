"""`soundstage play`."""
