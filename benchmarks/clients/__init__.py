"""Clients of a server under measurement, shared by the benchmarks of serving."""
