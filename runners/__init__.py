"""Executes the ticks of a graph; sessions, traces and timing of the runs."""
