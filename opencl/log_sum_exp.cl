/* Logarithms of sums of exponentials over the rows and columns of a cost, and the entries of a plan that matter.
 *
 * Row i: log sum_j exp((g_j - c_ij) t); column j: log sum_i exp((f_i - c_ij) t). Potentials may be -inf, and so may the
 * answers; nothing is ever NaN. A launch sees the rows `row0` to `row0 + n_rows` of the cost, for COST
 *   0: stored, c = cost[(i - row0) n_columns + j]
 *   1, 2, 3, 4: computed from points, cost holding x_i and targets the coordinates of all y, of shape (d, n_columns):
 *      squares, magnitudes, the root of the squares, one minus the product.
 * A shift is a guess of the answer: it saves the search for the largest term. Where it was no good, all is done again.
 */
#include "elementary.h"

typedef __global const real *restrict Reals;

#define BLOCK 512     /* columns of a row that are dealt with at a time, on a CPU */
#define LANES 64
#define COLUMNS 256   /* columns of a work item, on a CPU */
#define ROWS 256      /* rows of a chunk, in passes over columns */
#define FEW 8         /* of them, between two looks at the largest */
#define GROUP 128
#define LEVELS 8

#define COST_ARGUMENTS Reals cost, Reals targets, uint d, uint row0, uint n_rows, uint n_columns
#define PASSED cost, targets, d, n_columns

inline real cost_at(__global const real *cost, __global const real *targets, uint d, uint n_columns, uint row, uint j) {
#if COST == 0
    return cost[(size_t)row * n_columns + j];
#else
    real sum = 0;
    for (uint k = 0; k < d; k++) {
        const real x = cost[(size_t)row * d + k], y = targets[(size_t)k * n_columns + j], apart = x - y;
#if COST == 1 || COST == 3
        sum += apart * apart;
#elif COST == 2
        sum += apart < 0 ? -apart : apart;
#else
        sum += x * y;
#endif
    }
#if COST == 3 && REAL == 64
    return SQRT_D(sum);
#elif COST == 3
    return SQRT_F(sum);
#elif COST == 4
    return 1 - sum;
#else
    return sum;
#endif
#endif
}

/* Costs of one row from column `first` on: where they lie, or computed. */
#if COST == 0
#define COSTS(c, row, first, size) __global const real *c = cost + (size_t)(row) * n_columns + (first);
#else
#define COSTS(c, row, first, size)                                                                                    \
    real c[BLOCK];                                                                                                    \
    costs_of_points(PASSED, row, first, size, c);

inline void costs_of_points(__global const real *cost, __global const real *targets, uint d, uint n_columns, uint row,
                            uint first, uint size, real *out) {
    for (uint l = 0; l < size; l++) out[l] = 0;
    for (uint k = 0; k < d; k++) {
        const real x = cost[(size_t)row * d + k];
        __global const real *y = targets + (size_t)k * n_columns + first;
        for (uint l = 0; l < size; l++) {
            const real apart = x - y[l];
#if COST == 1 || COST == 3
            out[l] += apart * apart;
#elif COST == 2
            out[l] += apart < 0 ? -apart : apart;
#else
            out[l] += x * y[l];
#endif
        }
    }
#if COST == 3 && REAL == 64
    for (uint l = 0; l < size; l++) out[l] = SQRT_D(out[l]);
#elif COST == 3
    for (uint l = 0; l < size; l++) out[l] = SQRT_F(out[l]);
#elif COST == 4
    for (uint l = 0; l < size; l++) out[l] = 1 - out[l];
#endif
}
#endif

/* z_l = (p_j - c_ij) t for j = first + l, and -inf beyond the last. */
inline void exponents(__global const real *cost, __global const real *targets, uint d, uint n_columns, uint row,
                      uint first, __global const real *p, real t, real *z) {
    const uint size = min((uint)BLOCK, n_columns - first);
    COSTS(c, row, first, size)
    for (uint l = 0; l < size; l++) z[l] = (p[first + l] - c[l]) * t;
    for (uint l = size; l < BLOCK; l++) z[l] = -INFINITY;
}

inline int is_good(real sum) { return sum > LEAST_SUM && sum < LARGEST_SUM; }

inline real logarithm(real largest, real sum) { return sum > 0 ? largest + log_real(sum) : -INFINITY; }

/* Rows, on a CPU: a work item does one. `shifted` says whether out holds guesses. */
__kernel void rows_cpu(COST_ARGUMENTS, Reals g, real t, uint shifted, __global real *restrict out) {
    const uint row = get_global_id(0);
    real z[BLOCK], sums[LANES];
    real shift = out[row0 + row], sum = 0;
    if (shifted) {
        for (uint l = 0; l < LANES; l++) sums[l] = 0;
        for (uint first = 0; first < n_columns; first += BLOCK) {
            exponents(PASSED, row, first, g, t, z);
            for (uint k = 0; k < BLOCK; k += LANES)
                for (uint l = 0; l < LANES; l++) sums[l] += exp_real(z[k + l] - shift);
        }
        for (uint l = 0; l < LANES; l++) sum += sums[l];
    }
    if (!is_good(sum)) {
        shift = LOWEST;
        for (uint l = 0; l < LANES; l++) sums[l] = 0;
        for (uint first = 0; first < n_columns; first += BLOCK) {
            exponents(PASSED, row, first, g, t, z);
            real most[LANES];
            for (uint l = 0; l < LANES; l++) most[l] = z[l];
            for (uint k = LANES; k < BLOCK; k += LANES)
                for (uint l = 0; l < LANES; l++) most[l] = z[k + l] > most[l] ? z[k + l] : most[l];
            real largest = shift;
            for (uint l = 0; l < LANES; l++) largest = most[l] > largest ? most[l] : largest;
            if (largest > shift) {
                const real factor = exp_real(shift - largest);
                for (uint l = 0; l < LANES; l++) sums[l] *= factor;
                shift = largest;
            }
            for (uint k = 0; k < BLOCK; k += LANES)
                for (uint l = 0; l < LANES; l++) sums[l] += exp_real(z[k + l] - shift);
        }
        sum = 0;
        for (uint l = 0; l < LANES; l++) sum += sums[l];
    }
    out[row0 + row] = logarithm(shift, sum);
}

/* Columns, on a CPU: a work item does 256 of them over a chunk of ROWS rows, whose number counts from row 0 of all.
 * The sums, and in the form without a shift the largest exponents, are parts of shape (n_chunks, n_columns). Without a
 * shift only columns are done whose answer is NaN yet. */
__kernel void columns_cpu(COST_ARGUMENTS, Reals f, real t, uint shifted, Reals out, __global real *restrict largests,
                          __global real *restrict sums) {
    const uint j0 = get_global_id(0) * COLUMNS, size = min((uint)COLUMNS, n_columns - j0);
    const uint begin = get_global_id(1) * ROWS, end = min(begin + ROWS, n_rows);
    __global real *total = sums + (size_t)(row0 / ROWS + get_global_id(1)) * n_columns + j0;
    __global real *largest = largests + (size_t)(row0 / ROWS + get_global_id(1)) * n_columns + j0;
    real most[COLUMNS], own[COLUMNS], z[FEW][COLUMNS];
    uint needed = shifted;
    for (uint l = 0; l < size; l++) needed |= out[j0 + l] != out[j0 + l];
    if (!needed) return;
    for (uint l = 0; l < COLUMNS; l++) {
        most[l] = shifted && l < size ? out[j0 + l] : LOWEST;
        own[l] = 0;
    }
    for (uint first = begin; first < end; first += FEW) {
        const uint n = min((uint)FEW, end - first);
        for (uint k = 0; k < n; k++) {
            const real potential = f[row0 + first + k];
            real *zk = z[k];
            COSTS(c, first + k, j0, size)
            for (uint l = 0; l < size; l++) zk[l] = (potential - c[l]) * t;
            for (uint l = size; l < COLUMNS; l++) zk[l] = -INFINITY;
        }
        if (!shifted) {
            real next[COLUMNS];
            for (uint l = 0; l < COLUMNS; l++) next[l] = most[l];
            for (uint k = 0; k < n; k++)
                for (uint l = 0; l < COLUMNS; l++) next[l] = z[k][l] > next[l] ? z[k][l] : next[l];
            for (uint l = 0; l < COLUMNS; l++) {
                own[l] *= exp_real(most[l] - next[l]);
                most[l] = next[l];
            }
        }
        for (uint k = 0; k < n; k++)
            for (uint l = 0; l < COLUMNS; l++) own[l] += exp_real(z[k][l] - most[l]);
    }
    for (uint l = 0; l < size; l++) {
        total[l] = own[l];
        if (!shifted) largest[l] = most[l];
    }
}

/* The answers from the parts, a column a work item; NaN where a shift was no good. */
__kernel void merge_columns(uint n_columns, uint n_chunks, uint shifted, __global const real *restrict largests,
                            __global const real *restrict sums, __global real *restrict out) {
    const uint j = get_global_id(0);
    if (j >= n_columns) return;
    real sum = 0, largest = out[j];
    if (shifted) {
        for (uint k = 0; k < n_chunks; k++) sum += sums[(size_t)k * n_columns + j];
        out[j] = is_good(sum) ? largest + log_real(sum) : NAN;
    } else if (largest != largest) {
        largest = LOWEST;
        for (uint k = 0; k < n_chunks; k++) largest = max(largest, largests[(size_t)k * n_columns + j]);
        for (uint k = 0; k < n_chunks; k++)
            sum += sums[(size_t)k * n_columns + j] * exp_real(largests[(size_t)k * n_columns + j] - largest);
        out[j] = logarithm(largest, sum);
    }
}

/* Rows, on a GPU: a work group does one. */
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1)))
void rows_gpu(COST_ARGUMENTS, Reals g, real t, uint shifted, __global real *restrict out) {
    __local real largests[GROUP], sums[GROUP];
    const uint item = get_local_id(0), row = get_group_id(0);
    const real shift = out[row0 + row];
    real own = 0, largest = LOWEST;
    if (shifted)
        for (uint j = item; j < n_columns; j += GROUP) own += exp_real((g[j] - cost_at(PASSED, row, j)) * t - shift);
    sums[item] = own;
    barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE); /* all have read their row's shift before it is written */
    for (uint reach = GROUP / 2; reach > 0; reach /= 2) {
        if (item < reach) sums[item] += sums[item + reach];
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    const real total = sums[0];
    if (is_good(total)) { /* the same for the whole group */
        if (item == 0) out[row0 + row] = shift + log_real(total);
        return;
    }
    own = 0;
    for (uint j = item; j < n_columns; j += GROUP) {
        const real z = (g[j] - cost_at(PASSED, row, j)) * t, above = z - largest;
        const real factor = exp_real(above > 0 ? -above : above);
        own = above > 0 ? own * factor + 1 : own + factor;
        largest = above > 0 ? z : largest;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    largests[item] = largest;
    sums[item] = own;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint reach = GROUP / 2; reach > 0; reach /= 2) {
        if (item < reach) {
            const real one = largests[item], other = largests[item + reach], most = one > other ? one : other;
            sums[item] = sums[item] * exp_real(one - most) + sums[item + reach] * exp_real(other - most);
            largests[item] = most;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    if (item == 0) out[row0 + row] = logarithm(largests[0], sums[0]);
}

/* Columns, on a GPU: a work item does one over a chunk of rows; parts as of columns_cpu. */
__kernel void columns_gpu(COST_ARGUMENTS, Reals f, real t, uint shifted, Reals out, __global real *restrict largests,
                          __global real *restrict sums) {
    const uint j = get_global_id(0);
    const uint begin = get_global_id(1) * ROWS, end = min(begin + ROWS, n_rows);
    if (j >= n_columns) return;
    const size_t place = (size_t)(row0 / ROWS + get_global_id(1)) * n_columns + j;
    const real answer = out[j];
    real own = 0, largest = LOWEST;
    if (shifted) {
        for (uint i = begin; i < end; i++) own += exp_real((f[row0 + i] - cost_at(PASSED, i, j)) * t - answer);
        sums[place] = own;
    } else if (answer != answer) {
        for (uint i = begin; i < end; i++) {
            const real z = (f[row0 + i] - cost_at(PASSED, i, j)) * t, above = z - largest;
            const real factor = exp_real(above > 0 ? -above : above);
            own = above > 0 ? own * factor + 1 : own + factor;
            largest = above > 0 ? z : largest;
        }
        largests[place] = largest;
        sums[place] = own;
    }
}

/* The exponent of a plan's entry: what is counted must be what is stored, and the same by rows and by columns. */
inline real plan_exponent(__global const real *cost, __global const real *targets, uint d, uint n_columns, uint row,
                          uint j, real f, real g, real t) {
    return (f + g - cost_at(PASSED, row, j)) * t;
}

/* How many entries of each row are above each of LEVELS levels; an item a row. */
__kernel void count_levels(COST_ARGUMENTS, Reals f, Reals g, real t, Reals levels, __global uint *restrict counts) {
    const uint row = get_global_id(0);
    if (row >= n_rows) return;
    uint own[LEVELS];
    for (uint k = 0; k < LEVELS; k++) own[k] = 0;
    const real potential = f[row0 + row];
    for (uint j = 0; j < n_columns; j++) {
        const real z = plan_exponent(PASSED, row, j, potential, g[j], t);
        for (uint k = 0; k < LEVELS; k++) own[k] += z > levels[k];
    }
    for (uint k = 0; k < LEVELS; k++) counts[(size_t)(row0 + row) * LEVELS + k] = own[k];
}

/* Entries with an exponent above row_levels_i + column_levels_j. First they are counted, by rows (an item a row on a
 * CPU, a group on a GPU) or by columns (an item each); then, with starts known, written. */
__kernel void count_rows_cpu(COST_ARGUMENTS, Reals f, Reals g, real t, Reals row_levels, Reals column_levels,
                             __global uint *restrict counts) {
    const uint row = get_global_id(0);
    const real potential = f[row0 + row], level = row_levels[row0 + row];
    uint count = 0;
    for (uint j = 0; j < n_columns; j++)
        count += plan_exponent(PASSED, row, j, potential, g[j], t) > level + column_levels[j];
    counts[row0 + row] = count;
}

__kernel void fill_rows_cpu(COST_ARGUMENTS, Reals f, Reals g, real t, Reals row_levels, Reals column_levels,
                            __global const uint *restrict starts, __global uint *restrict indices,
                            __global real *restrict values) {
    const uint row = get_global_id(0);
    const real potential = f[row0 + row], level = row_levels[row0 + row];
    uint place = starts[row0 + row];
    for (uint j = 0; j < n_columns; j++) {
        const real z = plan_exponent(PASSED, row, j, potential, g[j], t);
        if (z > level + column_levels[j]) {
            indices[place] = j;
            values[place++] = exp_real(z);
        }
    }
}

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1)))
void count_rows_gpu(COST_ARGUMENTS, Reals f, Reals g, real t, Reals row_levels, Reals column_levels,
                    __global uint *restrict counts) {
    __local uint sums[GROUP];
    const uint item = get_local_id(0), row = get_group_id(0);
    const real potential = f[row0 + row], level = row_levels[row0 + row];
    uint count = 0;
    for (uint j = item; j < n_columns; j += GROUP)
        count += plan_exponent(PASSED, row, j, potential, g[j], t) > level + column_levels[j];
    sums[item] = count;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint reach = GROUP / 2; reach > 0; reach /= 2) {
        if (item < reach) sums[item] += sums[item + reach];
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    if (item == 0) counts[row0 + row] = sums[0];
}

/* The sums of all flags before this item's, and of all; two sides of `room` in turn, so that one barrier a step is
 * enough. */
inline uint places_before(uint flag, __local uint *room, uint *all) {
    const uint item = get_local_id(0);
    uint side = 0;
    room[item] = flag;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint reach = 1; reach < GROUP; reach *= 2) {
        const uint sum = room[side + item] + (item >= reach ? room[side + item - reach] : 0);
        side = GROUP - side;
        room[side + item] = sum;
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    const uint through = room[side + item];
    *all = room[side + GROUP - 1];
    barrier(CLK_LOCAL_MEM_FENCE);
    return through - flag;
}

__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1)))
void fill_rows_gpu(COST_ARGUMENTS, Reals f, Reals g, real t, Reals row_levels, Reals column_levels,
                   __global const uint *restrict starts, __global uint *restrict indices,
                   __global real *restrict values) {
    __local uint room[2 * GROUP];
    const uint item = get_local_id(0), row = get_group_id(0);
    const real potential = f[row0 + row], level = row_levels[row0 + row];
    uint place = starts[row0 + row];
    for (uint first = 0; first < n_columns; first += GROUP) {
        const uint j = first + item;
        const int inside = j < n_columns;
        const real z = inside ? plan_exponent(PASSED, row, j, potential, g[j], t) : 0;
        const uint flag = inside && z > level + column_levels[inside ? j : 0];
        uint all;
        const uint before = places_before(flag, room, &all);
        if (flag) {
            indices[place + before] = j;
            values[place + before] = exp_real(z);
        }
        place += all;
    }
}

/* By columns the rows of several launches follow one another: counts are added to, and places go on. */
__kernel void count_columns(COST_ARGUMENTS, Reals f, Reals g, real t, Reals row_levels, Reals column_levels,
                            __global uint *restrict counts) {
    const uint j = get_global_id(0);
    if (j >= n_columns) return;
    uint count = 0;
    for (uint i = 0; i < n_rows; i++)
        count += plan_exponent(PASSED, i, j, f[row0 + i], g[j], t) > row_levels[row0 + i] + column_levels[j];
    counts[j] += count;
}

__kernel void fill_columns(COST_ARGUMENTS, Reals f, Reals g, real t, Reals row_levels, Reals column_levels,
                           __global uint *restrict places, __global uint *restrict indices,
                           __global real *restrict values) {
    const uint j = get_global_id(0);
    if (j >= n_columns) return;
    uint place = places[j];
    for (uint i = 0; i < n_rows; i++) {
        const real z = plan_exponent(PASSED, i, j, f[row0 + i], g[j], t);
        if (z > row_levels[row0 + i] + column_levels[j]) {
            indices[place] = row0 + i;
            values[place++] = exp_real(z);
        }
    }
    places[j] = place;
}

/* starts_k = the sum of the counts before k, for k up to n: one group, GROUP counts at a time. */
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1)))
void exclusive_scan(__global const uint *restrict counts, uint n, __global uint *restrict starts) {
    __local uint room[2 * GROUP];
    const uint item = get_local_id(0);
    uint sum = 0;
    for (uint first = 0; first <= n; first += GROUP) {
        const uint k = first + item;
        uint all;
        const uint before = places_before(k < n ? counts[k] : 0, room, &all);
        if (k <= n) starts[k] = sum + before;
        sum += all;
    }
}
