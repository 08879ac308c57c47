"""Composition of scores: form, harmony, melody, accompaniment and drums."""
