"""Traces: recorded runs with all their messages, to replay and to compare."""
