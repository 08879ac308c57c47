"""Training of the Depthformer on a file of tokens, from random or from given weights."""
