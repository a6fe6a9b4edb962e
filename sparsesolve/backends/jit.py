"""How the package compiles its kernels: serial, without the GIL, cached on disk.

Kernels work on one chunk of the data; `sparsesolve.backends.threads` runs the chunks side by side. Numba's own
thread layers are not used: one of them ends the process when two threads call it at once, another after a fork.
"""

import logging

from numba import config, njit
from numba.extending import intrinsic

logger = logging.getLogger("sparsesolve")


def _compiled(**options):
    """Return a decorator. The cache lies beside the source, else in the user's folder, else there is none."""

    def decorate(function):
        try:
            return njit(cache=True, nogil=True, error_model="numpy", **options)(function)
        except RuntimeError as error:
            if "cannot cache" not in str(error):
                raise
            logger.info("no folder for the kernel cache can be written: %s", error)
            return njit(nogil=True, error_model="numpy", **options)(function)

    return decorate


#: Decorator of every kernel. ``error_model="numpy"`` keeps IEEE division; no fastmath: NaN and inf must pass through.
kernel = _compiled()

#: For kernels that sum: terms may be reordered and contracted, so that they vectorise. NaN and inf keep their meaning.
#: Sum in a local variable, in a loop that stores nothing: else the compiler asks at run time how far apart the arrays
#: lie, and takes another order, with other last bits, where they are near.
reduction_kernel = _compiled(fastmath={"reassoc", "contract", "nsz"})

#: For kernels whose input was checked to be finite: divisions become products, and minima and maxima vectorise too.
finite_kernel = _compiled(fastmath={"reassoc", "contract", "nnan", "nsz", "arcp"})

#: For a few lines used inside the loops of other kernels.
inlined = _compiled(fastmath={"contract"}, inline="always")


def generated(reference):
    """Return a decorator for a function that writes LLVM code, as of `numba.extending.intrinsic`.

    The `reference` says the same in numpy; it is what runs where numba's compiler is switched off
    (NUMBA_DISABLE_JIT=1).
    """
    return lambda typed: reference if config.DISABLE_JIT else intrinsic(typed)
