"""Music written down: harmony, melody, drums, form."""
