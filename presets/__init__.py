"""Presets: whole pipeline files that ship with the package, one TOML each."""
