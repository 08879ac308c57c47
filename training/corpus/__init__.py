"""A composer and renderer of our own: the music the small demo model learns from."""
