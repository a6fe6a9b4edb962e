"""Conjugate gradients, compiled whole and on a device, against dense solves."""

import numpy as np
import pytest
import scipy.sparse

from sparsesolve.operators.hessian_kernels import solve


def transport_system(n, m, seed=0):
    """A plan, the diagonal of its Hessian with a little ground, and the matrix."""
    rng = np.random.default_rng(seed)
    A = scipy.sparse.random_array((n, m), density=min(1.0, 6.0 / m), rng=rng, format="csr")
    diagonal = np.concatenate([A.sum(axis=1), A.sum(axis=0)]) * 1.01 + 1e-3
    H = scipy.sparse.block_array([[None, A], [A.T, None]]).toarray() + np.diag(diagonal)
    return A, diagonal, H


def relative(H, x, b):
    return np.linalg.norm(H @ x - b) / np.linalg.norm(b)


@pytest.mark.parametrize("augmentation", [0.0, 0.3])
def test_compiled(augmentation):
    A, diagonal, H = transport_system(90, 70)
    sign = np.repeat([1.0, -1.0], [90, 70])
    b = np.random.default_rng(1).standard_normal(160)
    x, starts, indices = np.zeros(160), A.indptr.astype(np.uint32), A.indices.astype(np.uint32)
    steps = solve(diagonal, starts, indices, A.data, augmentation, b, 1e-10, 1000, x)
    assert 10 < steps < 160
    assert relative(H + augmentation * np.outer(sign, sign), x, b) < 1e-9


@pytest.mark.parametrize("in_one_launch", [True, False])
@pytest.mark.usefixtures("poisoned")
def test_on_device(device_runtime, each_form, in_one_launch):
    from sparsesolve.operators.device import DeviceCSR, DeviceGram, DeviceHessian, DeviceSchur, device_cg

    n, m = 310, 290
    A, diagonal, H = transport_system(n, m)
    there = DeviceCSR(device_runtime, A)
    rng = np.random.default_rng(2)
    b = rng.standard_normal(n + m)
    sign = np.repeat([1.0, -1.0], [n, m])
    r, c, P = diagonal[:n], diagonal[n:], A.toarray()
    systems = [
        (DeviceHessian(there, diagonal), H, None),
        (DeviceHessian(there, diagonal), H + 0.3 * np.outer(sign, sign), (0.3, sign)),
        (DeviceSchur(there, 1.0 / r, c - P.sum(axis=0)), np.diag(c) - P.T @ (P / r[:, None]), None),
        (DeviceGram(there, r, c), np.diag(c) + P.T @ (P * r[:, None]), None),
    ]
    for system, M, rank_one in systems if in_one_launch else systems[:3]:
        right = b[: system.size]
        preconditioner = 1.0 / (np.diag(M) - (0.3 if rank_one else 0.0))
        found = [
            device_cg(
                system, right, preconditioner, tolerance=1e-10, rank_one=rank_one, in_one_launch=in_one_launch
            )
            for _ in range(2)
        ]
        assert relative(M, found[0].x, right) < 1e-9
        assert found[0].residual <= 1e-10 * np.linalg.norm(right)
        # One step less would not have done, although large systems are only looked at now and then.
        less = device_cg(
            system, right, preconditioner, tolerance=1e-10, rank_one=rank_one, in_one_launch=in_one_launch,
            most_steps=found[0].steps - 1,
        )  # fmt: skip
        assert less.steps == found[0].steps - 1
        assert less.residual > 1e-10 * np.linalg.norm(right)
        assert np.array_equal(found[0].x, found[1].x)


def test_single_precision(device_runtime):
    from sparsesolve.operators.device import DeviceCSR, DeviceHessian, device_cg

    A, diagonal, H = transport_system(60, 50)
    system = DeviceHessian(DeviceCSR(device_runtime, A.astype(np.float32)), diagonal)
    b = np.random.default_rng(3).standard_normal(110)
    found = device_cg(system, b, 1.0 / diagonal, tolerance=1e-4)
    assert found.x.dtype == np.float32
    assert relative(H, found.x, b) < 1e-3


@pytest.mark.usefixtures("poisoned")
def test_batch(device_runtime, each_form):
    from sparsesolve.operators.device import device_cg_batch

    problems = [transport_system(n, m, seed) for seed, (n, m) in enumerate([(40, 30), (7, 90), (1, 1)])]
    rng = np.random.default_rng(4)
    rights = [rng.standard_normal(H.shape[0]) for _, _, H in problems]
    diagonals = [diagonal for _, diagonal, _ in problems]
    found = device_cg_batch(
        device_runtime, [A for A, _, _ in problems], diagonals, rights,
        preconditioners=[1.0 / diagonal for diagonal in diagonals], tolerance=1e-11,
    )  # fmt: skip
    assert len({solved.steps for solved in found}) > 1  # each stops for itself
    for solved, (_, _, H), b in zip(found, problems, rights, strict=True):
        assert relative(H, solved.x, b) < 1e-10
    assert device_cg_batch(device_runtime, [], [], [], preconditioners=[]) == []


@pytest.mark.parametrize("in_one_launch", [True, False])
@pytest.mark.usefixtures("poisoned")
def test_ends_quietly(device_runtime, in_one_launch):
    """Zero right sides, no steps, and directions without curvature give finite answers."""
    from sparsesolve.operators.device import DeviceCSR, DeviceHessian, device_cg

    empty = DeviceCSR(device_runtime, scipy.sparse.csr_array((4, 3)))
    ones = np.ones(7)
    for diagonal, b, steps in ((ones, np.zeros(7), 0), (-ones, ones, 0), (ones, 2.0 * ones, 1)):
        found = device_cg(DeviceHessian(empty, diagonal), b, ones, in_one_launch=in_one_launch)
        assert found.steps == steps
        assert np.array_equal(found.x, b if steps else np.zeros(7))
    assert device_cg(DeviceHessian(empty, ones), ones, ones, most_steps=0).steps == 0
