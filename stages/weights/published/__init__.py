"""Published models: the catalogue, and fetching, recording and checking their files."""
