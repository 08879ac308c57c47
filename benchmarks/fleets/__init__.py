"""Engines of stages that sleep, and what is done to them, for the measurements of fleets."""
