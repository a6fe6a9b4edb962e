"""Where the sketch of a least squares fit is made; everything after it is small."""

from __future__ import annotations

from ..backends import Choice, select
from ..exceptions import BackendError
from ..sketch import kernel_of
from .options import Options, preconditioner_rows


def sketch_backend(options: Options, n_rows: int, width: int, entries: float, makes_sketch: bool) -> Choice:
    """Choose the backend of a fit by its sketch.

    Parameters
    ----------
    options : Options
    n_rows, width : int
        Shape of the matrix.
    entries : float
        Stored entries.
    makes_sketch : bool
        Whether there is a sketch at all.

    Raises
    ------
    BackendError
        For "opencl", where nothing of the fit has an OpenCL form.
    """
    kernel = kernel_of(options.sketch)
    if options.backend != "opencl":
        rows = preconditioner_rows(options, width, n_rows)
        work = float(n_rows) * width if kernel == "srht" else entries * rows
        return select(options.backend, kernel if makes_sketch else None, work)
    if options.solver == "direct":
        raise BackendError(
            "backend='opencl': solver='direct' makes no sketch, and only sketches have an OpenCL form; use another "
            "solver, or backend='auto'."
        )
    if kernel is None:
        raise BackendError(
            f"backend='opencl': sketch={options.sketch!r} has no OpenCL form; use sketch='srht', 'padded-srht', "
            "'gaussian' or 'rademacher', or backend='auto'."
        )
    if not makes_sketch:
        # The device would be given nothing to do.
        return select("numba")
    return select("opencl", kernel)
