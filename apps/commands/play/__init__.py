"""`soundstage play`: music on the speakers, steered while it plays."""
