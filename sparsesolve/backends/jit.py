"""How the package compiles its kernels: serial, without the GIL, cached on disk.

Kernels work on one chunk of the data; `sparsesolve.backends.threads` runs the chunks side by side. Numba's own
thread layers are not used: one of them ends the process when two threads call it at once, another after a fork.
"""

from numba import njit

#: Decorator of every kernel. ``error_model="numpy"`` keeps IEEE division; no fastmath: NaN and inf must pass through.
kernel = njit(cache=True, nogil=True, error_model="numpy")
