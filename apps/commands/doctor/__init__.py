"""Predicts, before anybody listens, whether a pipeline plays in real time on this machine."""
