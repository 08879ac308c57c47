"""The command `soundstage new-stage`."""
