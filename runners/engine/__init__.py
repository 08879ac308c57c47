"""One engine: the streams that have a slot on one runner are rows of its batches."""
