"""Training of the Depthformer on a file of tokens: from nothing, or from weights there are."""
