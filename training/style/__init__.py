"""Trains the small style model: texts and audio of the corpus into one space, and its codebooks."""
