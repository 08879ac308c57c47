"""Training of the style towers (texts and audio in one space) and of the style codebooks."""
