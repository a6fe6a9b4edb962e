"""Known answers: what a device must compute right before anything is trusted to it."""

from __future__ import annotations

import numpy as np

from ..exceptions import BackendError

_GROUP = 64
_ONES = 0xFFFFFFFF
# The vectors that Random123, the generator's reference, ships: counter, key, words.
PHILOX_ANSWERS = (
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((_ONES,) * 4, (_ONES,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
)


def check_device(runtime) -> None:
    """Raise `BackendError`, which names the device and the test, where an answer is wrong."""
    for name, test in (
        ("Philox", _philox_is_right),
        ("fma", _fused_steps_are_right),
        ("barriers", _sums_are_right),
    ):
        if not test(runtime):
            raise BackendError(
                f"{runtime.device} fails the self test {name!r}: its driver computes wrong numbers. Choose another "
                "device by SPARSESOLVE_OPENCL_DEVICE, or use backend='numba'."
            )


def _philox_is_right(runtime):
    # Many items, so that the vectorised form of the kernel is what is tested.
    given = np.tile([[*counter, *key] for counter, key, _ in PHILOX_ANSWERS], (32, 1)).astype(np.uint32)
    expected = np.tile([words for _, _, words in PHILOX_ANSWERS], (32, 1)).astype(np.uint32)
    out = runtime.empty(expected.shape, np.uint32)
    runtime.kernel("self_test.cl", "philox_words", GROUP=_GROUP)(
        (len(given),), None, runtime.input(given), out
    )
    return np.array_equal(out.read(), expected)


def _fused_steps_are_right(runtime):
    x = np.linspace(0.01, 9.0, 4 * _GROUP, dtype=np.float32)
    out = runtime.empty(x.shape, x.dtype)
    runtime.kernel("self_test.cl", "fused_steps", GROUP=_GROUP)(x.shape, None, runtime.input(x), out)
    # float64 holds every product of two float32 numbers: rounding once afterwards is what fma does.
    inner = (x.astype(float) * np.float32(0.2) + np.float32(-0.7)).astype(np.float32)
    fused = (x.astype(float) * inner + np.sqrt(x)).astype(np.float32)
    return np.array_equal(out.read(), fused + np.rint(x))


def _sums_are_right(runtime):
    x = np.arange(8 * _GROUP, dtype=np.int32) ** 2 % 1009
    out = runtime.empty(8, np.int32)
    runtime.kernel("self_test.cl", "tree_sums", GROUP=_GROUP)(x.shape, (_GROUP,), runtime.input(x), out)
    return np.array_equal(out.read(), x.reshape(8, _GROUP).sum(axis=1))
