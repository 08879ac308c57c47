"""A graph that hears notes and plays them as constants; see `notes.toml`."""

from pathlib import Path

NOTES = Path(__file__).with_name("notes.toml")
ALLOW = ["note_stages"]
CHUNK_S = 0.08  # two frames
