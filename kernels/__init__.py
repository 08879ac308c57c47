"""Layers as kernels of our own: for CPUs by Numba, for GPUs (`fused`) by Pallas.

XLA's CPU code reads weights at a half to a tenth of the memory's speed when they are multiplied
by 2 to 16 rows. A network that makes one step after another spends its time there.
"""
