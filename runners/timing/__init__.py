"""Timing: timelines of runs, times of stages, and plans of placements."""
