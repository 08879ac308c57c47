"""`soundstage doctor`: predicts whether a pipeline plays in real time on this machine."""
