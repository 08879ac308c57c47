"""Executes ticks with Ray actors, on one machine or several."""
