"""`soundstage plan`: proposes a placement from measured times."""
