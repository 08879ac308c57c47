"""Training of the networks in `stages`: corpora, token files, losses and loops."""
