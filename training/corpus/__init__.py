"""A composer and a renderer, which make the music that the demo model is trained on."""
