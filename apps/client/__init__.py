"""A client of `soundstage serve` in Python, which goes on by itself if its connection is lost."""
