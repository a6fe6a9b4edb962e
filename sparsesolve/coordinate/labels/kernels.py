"""Kernels of label propagation: the order of the unknowns, and conjugate gradients on half of them.

Graphs come as the parts of a CSR array without zeros, symmetric, no entry twice. Unknowns that are no neighbours of
one another, the white ones, are eliminated exactly; conjugate gradients run on the rest, the black ones. In both,
rows with equally many neighbours stand together (a bucket), so that inner loops have one length and no branch is
mispredicted. Those loops are written out: vector gathers of so few numbers are slower. A row of ``buckets`` is: number
of neighbours, first row, last row + 1, where its neighbours are listed.
"""

import numpy as np

from ...backends.jit import kernel, reduction_kernel

WHITE, BLACK, ABSENT = 1, 2, 0


@kernel
def breadth_first(starts, indices, known, is_grounded):
    """Unknown nodes by breadth first, part by part, from the first node of each.

    Parameters
    ----------
    starts, indices : arrays
    known : ndarray of bool, shape (n,)
    is_grounded : bool
        Whether parts without a known neighbour are determined too.

    Returns
    -------
    order : ndarray of int32, shape (m,)
        The unknown nodes that are determined.
    undetermined : ndarray of int32
        The others: nodes of parts of the graph without a known node.
    """
    n = starts.shape[0] - 1
    met = known.copy()
    order = np.empty(n, np.int32)
    undetermined = np.empty(n, np.int32)
    filled, left_out = 0, 0
    for root in range(n):
        if met[root]:
            continue
        met[root] = True
        first = head = filled
        order[filled] = root
        filled += 1
        determined = is_grounded
        while head < filled:
            i = order[head]
            head += 1
            for k in range(starts[i], starts[i + 1]):
                j = indices[k]
                if not met[j]:
                    met[j] = True
                    order[filled] = j
                    filled += 1
                elif known[j] and j != i:
                    determined = True
        if not determined:
            for t in range(first, filled):
                undetermined[left_out] = order[t]
                left_out += 1
            filled = first
    return order[:filled].copy(), undetermined[:left_out].copy()


@kernel
def arrange(starts, indices, order):
    """Split the unknowns into white and black ones, and sort both by the number of their unknown neighbours.

    Returns
    -------
    nodes : ndarray of int32, shape (m,)
        White ones, then black ones.
    place : ndarray of int32, shape (n,)
        Where each node stands among them; -1 for the others.
    n_white : int
    buckets : ndarray of int64, shape (n_buckets, 4)
    n_white_buckets : int
    """
    n, m = starts.shape[0] - 1, order.shape[0]
    colour = np.zeros(n, np.int8)
    place = np.full(n, -1, np.int32)
    for t in range(m):
        place[order[t]] = t
    for t in range(m):
        i = order[t]
        if colour[i] == ABSENT:
            colour[i] = WHITE
            for k in range(starts[i], starts[i + 1]):
                if indices[k] != i:
                    colour[indices[k]] = BLACK
    degrees = np.empty(m, np.int32)
    largest = 0
    for t in range(m):
        i = order[t]
        degree = 0
        for k in range(starts[i], starts[i + 1]):
            if place[indices[k]] >= 0 and indices[k] != i:
                degree += 1
        degrees[t] = degree
        largest = max(largest, degree)
    counts = np.zeros((2, largest + 1), np.int64)
    for t in range(m):
        counts[0 if colour[order[t]] == WHITE else 1, degrees[t]] += 1
    buckets = np.empty((2 * largest + 2, 4), np.int64)
    n_buckets, n_white_buckets, row, at = 0, 0, 0, 0
    for half in range(2):
        for degree in range(largest + 1):
            size = counts[half, degree]
            counts[half, degree] = row
            if size > 0:
                buckets[n_buckets, 0], buckets[n_buckets, 1] = degree, row
                buckets[n_buckets, 2], buckets[n_buckets, 3] = row + size, at
                n_buckets += 1
                row += size
                at += size * degree
        if half == 0:
            n_white, n_white_buckets = row, n_buckets
    nodes = np.empty(m, np.int32)
    for t in range(m):
        i = order[t]
        half = 0 if colour[i] == WHITE else 1
        nodes[counts[half, degrees[t]]] = i
        counts[half, degrees[t]] += 1
    for t in range(m):
        place[nodes[t]] = t
    return nodes, place, n_white, buckets[:n_buckets].copy(), n_white_buckets


@kernel
def list_neighbours(starts, indices, values, place, nodes, buckets, sign):
    """The neighbours of every row, as places, with couplings and diagonals.

    Parameters
    ----------
    sign : float
        1.0 where `values` are weights of a graph: the diagonal is the sum of a row's weights. -1.0 where they are the
        matrix itself: couplings are minus its entries.

    Returns
    -------
    neighbours : ndarray of int32, shape (n_neighbours,)
    couplings : ndarray of shape (n_neighbours,)
    diagonal : ndarray of shape (m,)
    mass : ndarray of shape (m,)
        Couplings to known nodes, summed.
    common : float
        The coupling that all entries share; 0.0 if they differ.
    """
    last = buckets[buckets.shape[0] - 1]
    size = last[3] + last[0] * (last[2] - last[1])
    neighbours, couplings = np.empty(size, np.int32), np.empty(size)
    diagonal, mass = np.empty(nodes.shape[0]), np.zeros(nodes.shape[0])
    at = 0
    is_common = True
    for row in range(nodes.shape[0]):
        i = nodes[row]
        total, own = 0.0, 0.0
        for k in range(starts[i], starts[i + 1]):
            j = indices[k]
            if j == i:
                own = values[k]
                continue
            total += values[k]
            if place[j] >= 0:
                neighbours[at] = place[j]
                couplings[at] = sign * values[k]
                is_common &= couplings[at] == couplings[0]
                at += 1
            else:
                mass[row] += sign * values[k]
        diagonal[row] = total if sign > 0.0 else own
    return neighbours, couplings, diagonal, mass, couplings[0] if is_common and size > 0 else 0.0


@kernel
def pull_known(starts, indices, values, sign, nodes, known, x, right):
    """Right sides: the sums of the values of each unknown's known neighbours, times their couplings.

    Parameters
    ----------
    known : ndarray of bool, shape (n,)
    x : ndarray of shape (n, width)
        Used at known nodes.
    right : ndarray of shape (m, width)
        Added to.
    """
    width = x.shape[1]
    for row in range(nodes.shape[0]):
        i = nodes[row]
        for k in range(starts[i], starts[i + 1]):
            j = indices[k]
            if known[j] and j != i:
                for c in range(width):
                    right[row, c] += sign * values[k] * x[j, c]


@kernel
def _sum_white(buckets, n_white_buckets, neighbours, inverse, v):
    """White entries of v become the sums over their (black) neighbours, times the inverse diagonal."""
    for b in range(n_white_buckets):
        degree, first, last, at = buckets[b]
        if degree == 4:
            for row in range(first, last):
                one = v[np.uint32(neighbours[at])] + v[np.uint32(neighbours[at + 1])]
                other = v[np.uint32(neighbours[at + 2])] + v[np.uint32(neighbours[at + 3])]
                at += 4
                v[row] = inverse[row] * (one + other)
        else:
            fours, rest = degree >> 2, degree & 3
            for row in range(first, last):
                one, other = 0.0, 0.0
                for _ in range(fours):
                    one += v[np.uint32(neighbours[at])] + v[np.uint32(neighbours[at + 1])]
                    other += v[np.uint32(neighbours[at + 2])] + v[np.uint32(neighbours[at + 3])]
                    at += 4
                for _ in range(rest):
                    one += v[np.uint32(neighbours[at])]
                    at += 1
                v[row] = inverse[row] * (one + other)


@kernel
def _sum_black(buckets, n_white_buckets, neighbours, diagonal, n_white, v, product):
    """Black rows of the matrix times v; returns the sum of the product times v over the black rows."""
    energy = 0.0
    for b in range(n_white_buckets, buckets.shape[0]):
        degree, first, last, at = buckets[b]
        if degree == 4:
            for row in range(first, last):
                one = v[np.uint32(neighbours[at])] + v[np.uint32(neighbours[at + 1])]
                other = v[np.uint32(neighbours[at + 2])] + v[np.uint32(neighbours[at + 3])]
                at += 4
                total = diagonal[row] * v[row] - (one + other)
                product[row - n_white] = total
                energy += total * v[row]
        else:
            fours, rest = degree >> 2, degree & 3
            for row in range(first, last):
                one, other = 0.0, 0.0
                for _ in range(fours):
                    one += v[np.uint32(neighbours[at])] + v[np.uint32(neighbours[at + 1])]
                    other += v[np.uint32(neighbours[at + 2])] + v[np.uint32(neighbours[at + 3])]
                    at += 4
                for _ in range(rest):
                    one += v[np.uint32(neighbours[at])]
                    at += 1
                total = diagonal[row] * v[row] - (one + other)
                product[row - n_white] = total
                energy += total * v[row]
    return energy


@kernel
def _weigh_white(buckets, n_white_buckets, neighbours, couplings, inverse, v):
    """The same as `_sum_white` where couplings differ."""
    for b in range(n_white_buckets):
        degree, first, last, at = buckets[b]
        pairs, rest = degree >> 1, degree & 1
        for row in range(first, last):
            one, other = 0.0, 0.0
            for _ in range(pairs):
                one += couplings[at] * v[np.uint32(neighbours[at])]
                other += couplings[at + 1] * v[np.uint32(neighbours[at + 1])]
                at += 2
            for _ in range(rest):
                one += couplings[at] * v[np.uint32(neighbours[at])]
                at += 1
            v[row] = inverse[row] * (one + other)


@kernel
def _weigh_black(buckets, n_white_buckets, neighbours, couplings, diagonal, n_white, v, product):
    """The same as `_sum_black` where couplings differ."""
    energy = 0.0
    for b in range(n_white_buckets, buckets.shape[0]):
        degree, first, last, at = buckets[b]
        pairs, rest = degree >> 1, degree & 1
        for row in range(first, last):
            one, other = 0.0, 0.0
            for _ in range(pairs):
                one += couplings[at] * v[np.uint32(neighbours[at])]
                other += couplings[at + 1] * v[np.uint32(neighbours[at + 1])]
                at += 2
            for _ in range(rest):
                one += couplings[at] * v[np.uint32(neighbours[at])]
                at += 1
            total = diagonal[row] * v[row] - (one + other)
            product[row - n_white] = total
            energy += total * v[row]
    return energy


@kernel
def _apply(buckets, n_white_buckets, neighbours, couplings, diagonal, inverse, n_white, v, product):
    """Make the white entries of v follow from the black ones; then the black rows times v; returns their energy.

    Equal couplings are 1 and come as an empty array. Two kernels and no branch inside of them: a branch that is never
    taken made them half again as slow.
    """
    if couplings.shape[0] > 0:
        _weigh_white(buckets, n_white_buckets, neighbours, couplings, inverse, v)
        return _weigh_black(buckets, n_white_buckets, neighbours, couplings, diagonal, n_white, v, product)
    _sum_white(buckets, n_white_buckets, neighbours, inverse, v)
    return _sum_black(buckets, n_white_buckets, neighbours, diagonal, n_white, v, product)


@reduction_kernel
def _sums(n_white, r, inverse):
    """Sums of squares of r, plain and divided by the diagonal.

    A loop of its own: where sums stand beside stores, the compiler orders them by where arrays lie in memory, and
    their last bits change from run to run.
    """
    squares, scaled = 0.0, 0.0
    for q in range(r.shape[0]):
        squares += r[q] * r[q]
        scaled += r[q] * r[q] * inverse[n_white + q]
    return squares, scaled


@reduction_kernel
def begin(buckets, n_white_buckets, neighbours, couplings, diagonal, inverse, n_white, right, x, v, r):
    """Solve the white rows for x, and set the residual r of the black rows and the first direction in v.

    Returns
    -------
    squares, scaled : float
        Sums of the squares of r, plain and divided by the diagonal.
    """
    if couplings.shape[0] > 0:
        _weigh_white(buckets, n_white_buckets, neighbours, couplings, inverse, x)
    else:
        _sum_white(buckets, n_white_buckets, neighbours, inverse, x)
    for row in range(n_white):
        x[row] += right[row] * inverse[row]
    if couplings.shape[0] > 0:
        _weigh_black(buckets, n_white_buckets, neighbours, couplings, diagonal, n_white, x, r)
    else:
        _sum_black(buckets, n_white_buckets, neighbours, diagonal, n_white, x, r)
    for q in range(r.shape[0]):
        r[q] = right[n_white + q] - r[q]
        v[n_white + q] = r[q] * inverse[n_white + q]
    return _sums(n_white, r, inverse)


@reduction_kernel
def advance(
    buckets, n_white_buckets, neighbours, couplings, diagonal, inverse, n_white, x, v, r, product, scaled
):
    """One step of conjugate gradients on the black rows, preconditioned with the diagonal.

    Returns
    -------
    squares, scaled : float
        As for `begin`; the first is negative where the matrix is not positive definite along the direction.
    """
    n_black = r.shape[0]
    energy = _apply(buckets, n_white_buckets, neighbours, couplings, diagonal, inverse, n_white, v, product)
    if not energy > 0.0:
        return -1.0, 0.0
    length = scaled / energy
    for q in range(n_black):
        x[n_white + q] += length * v[n_white + q]
        r[q] -= length * product[q]
    squares, following = _sums(n_white, r, inverse)
    ratio = following / scaled
    for q in range(n_black):
        v[n_white + q] = r[q] * inverse[n_white + q] + ratio * v[n_white + q]
    return squares, following


@reduction_kernel
def _eliminate_white_columns(buckets, n_white_buckets, neighbours, couplings, inverse, v):
    width = v.shape[1]
    for b in range(n_white_buckets):
        degree, first, last, at = buckets[b]
        for row in range(first, last):
            for c in range(width):
                v[row, c] = 0.0
            for k in range(at, at + degree):
                source = np.uint32(neighbours[k])
                coupling = couplings[k] * inverse[row]
                for c in range(width):
                    v[row, c] += coupling * v[source, c]
            at += degree


@reduction_kernel
def _apply_black_columns(
    buckets, n_white_buckets, neighbours, couplings, diagonal, n_white, v, product, energy
):
    width = v.shape[1]
    energy[:] = 0.0
    for b in range(n_white_buckets, buckets.shape[0]):
        degree, first, last, at = buckets[b]
        for row in range(first, last):
            q = row - n_white
            for c in range(width):
                product[q, c] = diagonal[row] * v[row, c]
            for k in range(at, at + degree):
                source = np.uint32(neighbours[k])
                coupling = couplings[k]
                for c in range(width):
                    product[q, c] -= coupling * v[source, c]
            at += degree
            for c in range(width):
                energy[c] += product[q, c] * v[row, c]


@reduction_kernel
def begin_columns(
    buckets,
    n_white_buckets,
    neighbours,
    couplings,
    diagonal,
    inverse,
    n_white,
    right,
    x,
    v,
    r,
    squares,
    scaled,
):
    """The same as `begin` for columns; the sums go into arrays of shape (width,)."""
    n_black, width = r.shape
    _eliminate_white_columns(buckets, n_white_buckets, neighbours, couplings, inverse, x)
    for row in range(n_white):
        for c in range(width):
            x[row, c] += right[row, c] * inverse[row]
    _apply_black_columns(buckets, n_white_buckets, neighbours, couplings, diagonal, n_white, x, r, squares)
    squares[:] = 0.0
    scaled[:] = 0.0
    for q in range(n_black):
        for c in range(width):
            r[q, c] = right[n_white + q, c] - r[q, c]
            v[n_white + q, c] = r[q, c] * inverse[n_white + q]
            squares[c] += r[q, c] * r[q, c]
            scaled[c] += r[q, c] * r[q, c] * inverse[n_white + q]


@reduction_kernel
def advance_columns(
    buckets, n_white_buckets, neighbours, couplings, diagonal, inverse, n_white, x, v, r, product, squares, scaled,
    is_done,
):  # fmt: skip
    """The same as `advance` for columns; those that are done stay as they are."""
    n_black, width = r.shape
    energy, following = np.empty(width), np.zeros(width)
    _eliminate_white_columns(buckets, n_white_buckets, neighbours, couplings, inverse, v)
    _apply_black_columns(
        buckets, n_white_buckets, neighbours, couplings, diagonal, n_white, v, product, energy
    )
    lengths = np.zeros(width)
    for c in range(width):
        if not is_done[c]:
            if not energy[c] > 0.0:
                return False
            lengths[c] = scaled[c] / energy[c]
    squares[:] = 0.0
    for q in range(n_black):
        for c in range(width):
            x[n_white + q, c] += lengths[c] * v[n_white + q, c]
            rest = r[q, c] - lengths[c] * product[q, c]
            r[q, c] = rest
            squares[c] += rest * rest
            following[c] += rest * rest * inverse[n_white + q]
    for c in range(width):
        energy[c] = 0.0 if is_done[c] else following[c] / scaled[c]
        scaled[c] = following[c]
    for q in range(n_black):
        for c in range(width):
            v[n_white + q, c] = r[q, c] * inverse[n_white + q] + energy[c] * v[n_white + q, c]
    return True


@kernel
def projected_sweep(starts, indices, values, sign, nodes, linear, lower, upper, x, backward):
    """Set each unknown to the minimiser within its bounds, all others fixed: one sweep of Gauss-Seidel, in place."""
    count = nodes.shape[0]
    for t in range(count):
        i = nodes[count - 1 - t] if backward else nodes[t]
        total, weight, own = linear[i], 0.0, 0.0
        for k in range(starts[i], starts[i + 1]):
            j = indices[k]
            if j == i:
                own = values[k]
            else:
                total += sign * values[k] * x[j]
                weight += values[k]
        best = total / (weight if sign > 0.0 else own)
        x[i] = min(max(best, lower[i]), upper[i])


@kernel
def slopes(starts, indices, values, sign, wanted, linear, x, gradient):
    """The gradient of the quadratic at the wanted nodes, in place; from differences where values are weights."""
    for i in range(starts.shape[0] - 1):
        if not wanted[i]:
            continue
        total = 0.0
        if sign > 0.0:
            for k in range(starts[i], starts[i + 1]):
                total += values[k] * (x[i] - x[indices[k]])
        else:
            for k in range(starts[i], starts[i + 1]):
                total += values[k] * x[indices[k]]
        gradient[i] = total - linear[i]


@kernel
def roughness(starts, indices, values, x):
    """The sum of w_ij (x_i - x_j)^2 over all stored entries and columns."""
    total = 0.0
    for i in range(x.shape[0]):
        for k in range(starts[i], starts[i + 1]):
            j = indices[k]
            for c in range(x.shape[1]):
                difference = x[i, c] - x[j, c]
                total += values[k] * difference * difference
    return total


@kernel
def find_asymmetry(starts, indices, values):
    """The first entry that differs from its mirror image, (-1, -1) if there is none; columns must be ascending.

    Row by row, the entries below the diagonal must be met in the order in which the rows above list them.
    """
    n = starts.shape[0] - 1
    following = starts[:n].copy()
    for i in range(n):
        for k in range(starts[i], starts[i + 1]):
            j = indices[k]
            if j >= i:
                break
            at = following[j]
            while at < starts[j + 1] and indices[at] <= j:
                at += 1
            if at == starts[j + 1] or indices[at] > i:
                return i, np.int64(j)
            if indices[at] < i:
                return np.int64(j), np.int64(indices[at])
            if values[at] != values[k]:
                return i, np.int64(j)
            following[j] = at + 1
    for j in range(n):
        at = following[j]
        while at < starts[j + 1] and indices[at] <= j:
            at += 1
        if at < starts[j + 1]:
            return np.int64(j), np.int64(indices[at])
    return np.int64(-1), np.int64(-1)
