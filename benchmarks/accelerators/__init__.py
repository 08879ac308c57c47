"""Programs compiled for accelerators that are not there, and what is counted in them."""
