"""Our networks held against recordings of the originals."""
