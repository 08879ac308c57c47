"""`soundstage branch`."""
