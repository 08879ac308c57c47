"""Training: corpora, losses, loops and evaluation of the networks in `stages`."""
