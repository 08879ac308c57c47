"""What is compiled: programs that are found by name, and layers as kernels of our own.

A stage's programs (`programs`) are traced once on a machine; what they are compiled to is kept
(`executables`), and loaded before it is needed (`ahead`).

Kernels are made for CPUs by Numba, for GPUs (`fused`) by Pallas. XLA's CPU code reads weights at a
half to a tenth of the memory's speed when they are multiplied by 2 to 16 rows. A network that makes
one step after another spends its time there.
"""
