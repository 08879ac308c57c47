"""Depthformer with packed weights, on CPUs; needs the extra `cpu`."""
