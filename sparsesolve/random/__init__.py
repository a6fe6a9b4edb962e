"""Random numbers as functions of a key and a place: the same entry for any order of asking, on any thread.

The generator is Philox4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3",
SC 2011). It maps a 128-bit counter and a 64-bit key to four 32-bit words. Here the counter is (i, k, stream):
a 64-bit index i, a 32-bit index k, and the number of a `Stream`. So entry (i, k) of a random object depends
on (key, stream, i, k) alone. NumPy's global state is never touched.
"""

from .draws import choose, uniforms
from .keys import Stream, as_key, child_key
from .panels import (
    fill_normal_panel,
    fill_normal_rows,
    fill_sign_panel,
    fill_sign_rows,
    fill_signs,
    on_cache_line,
    planar_places,
)
from .philox import below, philox, uniform, words
from .vectors import BLOCK

__all__ = [
    "BLOCK",
    "Stream",
    "as_key",
    "below",
    "child_key",
    "choose",
    "fill_normal_panel",
    "fill_normal_rows",
    "fill_sign_panel",
    "fill_sign_rows",
    "fill_signs",
    "on_cache_line",
    "philox",
    "planar_places",
    "uniform",
    "uniforms",
    "words",
]
