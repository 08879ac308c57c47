"""Magenta RealTime 2: a language model of music that makes one frame of 40 ms a step."""
