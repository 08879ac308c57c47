"""Presets: complete pipeline files that ship with the package."""
