/* Products with a sparse matrix in compressed rows, and the Hessians made of it.
 *
 * A part of a matrix holds rows `row0` to `row0 + n_rows`; its `starts` begin at 0. In the CPU form its entries are sorted
 * by blocks of columns, which the cache holds: `starts` has n_blocks rows. Vectors and `bounds` are those of the
 * whole matrix. In the CPU form a work item does a chunk of rows; products with the transpose go into a sum of its own for
 * each chunk. In the GPU form a work group does a block of rows, and the transpose is a second matrix. No sum's order
 * depends on the number of threads, or on how the matrix is cut into parts.
 */
#include "real.h"

#define SCALED 1
#define WITH_DIAGONAL 2
#define OF_DIFFERENCES 4
#define OF_REST 8

typedef __global const real *restrict Reals;
typedef __global const uint *restrict Indices;

inline real result_of(uint flags, real sum, uint row, uint at, Reals scale, Reals diagonal, Reals own) {
    if (flags & SCALED) sum *= scale[row];
    if (flags & WITH_DIAGONAL) sum += diagonal[at + row] * own[at + row];
    return sum;
}

inline real row_sum(Indices indices, Reals values, Reals x, uint first, uint last) {
    real s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    uint k = first;
    for (; k + 4 <= last; k += 4) {
        s0 += values[k] * x[indices[k]];
        s1 += values[k + 1] * x[indices[k + 1]];
        s2 += values[k + 2] * x[indices[k + 2]];
        s3 += values[k + 3] * x[indices[k + 3]];
    }
    for (; k < last; k++) s0 += values[k] * x[indices[k]];
    return (s0 + s1) + (s2 + s3);
}

/* y_i = scale_i sum_k a_ik x_k + diagonal_i own_i; with OF_DIFFERENCES the sum is that of a_ik (own_i - x_k). Row i of the
 * vectors y, diagonal and own is at i + at, and x begins at x_at. */
__kernel void rows_cpu(Indices starts, Indices indices, Reals values, Indices bounds, uint row0, uint n_rows,
                       uint n_blocks, uint flags, Reals all_x, uint x_at, Reals scale, Reals diagonal, Reals own, uint at,
                       __global real *restrict all_y) {
    const uint chunk = get_group_id(0);
    Reals x = all_x + x_at;
    __global real *restrict y = all_y + at;
    for (uint block = 0; block < n_blocks; block++) {
        Indices begins = starts + (size_t)block * (n_rows + 1);
        for (uint row = bounds[chunk]; row < bounds[chunk + 1]; row++) {
            const uint first = begins[row - row0], last = begins[row - row0 + 1];
            real sum = block ? y[row] : 0;
            if (flags & OF_DIFFERENCES) {
                const real here = own[at + row];
                for (uint k = first; k < last; k++) sum += values[k] * (here - x[indices[k]]);
            } else {
                sum += row_sum(indices, values, x, first, last);
            }
            y[row] = block + 1 == n_blocks ? result_of(flags, sum, row, at, scale, diagonal, own) : sum;
        }
    }
}

/* A chunk has an array of its own of pairs (x_j, sum_j), so that what an entry reads and what it adds to lie in one line
 * of the cache; and it does those of its rows that lie in this part. */
#define CHUNK(first_row, last_row)                                                                                    \
    const uint chunk = get_group_id(0);                                                                               \
    __global real *restrict pairs = all_pairs + 2 * (size_t)chunk * n_columns;                                        \
    const uint first_row = max(bounds[chunk], row0), last_row = min(bounds[chunk + 1], row0 + n_rows);
#define BEGIN(x)                                                                                                      \
    if (fresh)                                                                                                        \
        for (uint j = 0; j < n_columns; j++) {                                                                        \
            pairs[2 * (size_t)j] = (x)[j];                                                                            \
            pairs[2 * (size_t)j + 1] = 0;                                                                             \
        }
#define PART_ARGUMENTS                                                                                                \
    Indices starts, Indices indices, Reals values, Indices bounds, uint row0, uint n_rows, uint n_blocks,             \
        uint n_columns, uint fresh
#define EACH_BLOCK(begins)                                                                                            \
    for (uint block = 0; block < n_blocks; block++) {                                                                 \
        Indices begins = starts + (size_t)block * (n_rows + 1);
#define EACH_ROW for (uint row = first_row; row < last_row; row++)

/* scale_i sum_k a_ik x_k, from the pairs. */
inline real scaled_sum(Indices indices, Reals values, __global const real *pairs, uint first, uint last, real scale) {
    real even = 0, odd = 0;
    uint k = first;
    for (; k + 2 <= last; k += 2) {
        even += values[k] * pairs[2 * (size_t)indices[k]];
        odd += values[k + 1] * pairs[2 * (size_t)indices[k + 1]];
    }
    if (k < last) even += values[k] * pairs[2 * (size_t)indices[k]];
    return scale * (even + odd);
}

/* [diag(r) A; A' .] x in one reading of A: y = r x_1 + A x_2, and to the chunk's sums A' x_1 is added. */
__kernel void hessian_chunks(PART_ARGUMENTS, uint n_all_rows, Reals diagonal, Reals x, __global real *restrict y,
                             __global real *restrict all_pairs) {
    CHUNK(first_row, last_row)
    BEGIN(x + n_all_rows)
    EACH_BLOCK(begins)
        EACH_ROW {
            const uint last = begins[row - row0 + 1];
            const real here = x[row];
            real sum = block ? y[row] : diagonal[row] * here;
            for (uint k = begins[row - row0]; k < last; k++) {
                __global real *pair = pairs + 2 * (size_t)indices[k];
                const real value = values[k];
                sum += value * pair[0];
                pair[1] += value * here;
            }
            y[row] = sum;
        }
    }
}

/* diag(scale) A x of a chunk's rows, block by block. */
inline void row_means(Indices starts, Indices indices, Reals values, uint row0, uint n_rows, uint n_blocks, uint first_row,
                      uint last_row, Reals scale, Reals x, __global real *restrict means) {
    EACH_BLOCK(begins)
        EACH_ROW {
            const real sum = row_sum(indices, values, x, begins[row - row0], begins[row - row0 + 1]) + (block ? means[row] : 0);
            means[row] = block + 1 == n_blocks ? scale[row] * sum : sum;
        }
    }
}

/* A' diag(scale) A x, into the chunk's sums: in one reading of A, or where it has several blocks in two. `means` has room
 * for a number a row. */
__kernel void gram_chunks(PART_ARGUMENTS, Reals scale, Reals x, __global real *restrict means,
                          __global real *restrict all_pairs) {
    CHUNK(first_row, last_row)
    BEGIN(x)
    if (n_blocks > 1)
        row_means(starts, indices, values, row0, n_rows, n_blocks, first_row, last_row, scale, x, means);
    EACH_BLOCK(begins)
        EACH_ROW {
            const uint first = begins[row - row0], last = begins[row - row0 + 1];
            const real sum = n_blocks > 1 ? means[row]
                                          : scaled_sum(indices, values, pairs, first, last, scale[row]);
            for (uint k = first; k < last; k++) pairs[2 * (size_t)indices[k] + 1] += values[k] * sum;
        }
    }
}

/* sum_i a_ij (x_j - scale_i (A x)_i), into the chunk's sums; as gram_chunks. */
__kernel void schur_chunks(PART_ARGUMENTS, Reals scale, Reals x, __global real *restrict means,
                           __global real *restrict all_pairs) {
    CHUNK(first_row, last_row)
    BEGIN(x)
    if (n_blocks > 1)
        row_means(starts, indices, values, row0, n_rows, n_blocks, first_row, last_row, scale, x, means);
    EACH_BLOCK(begins)
        EACH_ROW {
            const uint first = begins[row - row0], last = begins[row - row0 + 1];
            const real mean = n_blocks > 1 ? means[row]
                                           : scaled_sum(indices, values, pairs, first, last, scale[row]);
            for (uint k = first; k < last; k++) {
                __global real *pair = pairs + 2 * (size_t)indices[k];
                pair[1] += values[k] * (pair[0] - mean);
            }
        }
    }
}

/* sum_i a_ij (1 - scale_i a_ij), into the chunk's sums: with the ground, the diagonal of the Schur complement. */
__kernel void rest_chunks(PART_ARGUMENTS, Reals scale, Reals x, __global real *restrict all_pairs) {
    CHUNK(first_row, last_row)
    BEGIN(x)
    EACH_BLOCK(begins)
        EACH_ROW
            for (uint k = begins[row - row0]; k < begins[row - row0 + 1]; k++)
                pairs[2 * (size_t)indices[k] + 1] += values[k] * (1 - scale[row] * values[k]);
    }
}

/* y_j = diagonal_j x_j + the sum of the chunks' sums, in order, with y, diagonal and x from `at` on; a work item does 256
 * columns. */
__kernel void sum_chunks(__global const real *restrict all_pairs, Reals all_diagonal, Reals all_x,
                         __global real *restrict all_y, uint at, uint n_columns, uint n_chunks) {
    Reals diagonal = all_diagonal + at, x = all_x + at;
    __global real *restrict y = all_y + at;
    const uint first = 256 * get_global_id(0), last = min(first + 256, n_columns);
    for (uint j = first; j < last; j++) y[j] = diagonal[j] * x[j];
    for (uint chunk = 0; chunk < n_chunks; chunk++) {
        __global const real *restrict pairs = all_pairs + 2 * (size_t)chunk * n_columns;
        for (uint j = first; j < last; j++) y[j] += pairs[2 * (size_t)j + 1];
    }
}

inline real term(uint flags, real value, real x, real own) {
    return value * (flags & OF_DIFFERENCES ? own - x : flags & OF_REST ? 1 - value * x : x);
}

/* As rows_cpu; with OF_REST the sum is that of a_ik (1 - a_ik x_k). A work group does rows bounds[g] to bounds[g + 1]: up to GROUP of them with up to TILE entries, which are
 * first brought to local memory, or one row of any length. */
#define GROUP 128
#define TILE 512
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1)))
void rows_gpu(Indices starts, Indices indices, Reals values, Indices bounds, uint row0, uint flags, Reals all_x,
              uint x_at, Reals scale, Reals diagonal, Reals own, uint at, __global real *restrict y) {
    __local real entries[TILE], gathered[TILE], sums[GROUP];
    Reals x = all_x + x_at;
    const uint item = get_local_id(0), first_row = bounds[get_group_id(0)], n = bounds[get_group_id(0) + 1] - first_row;
    const uint begin = starts[first_row - row0], end = starts[first_row - row0 + n];
    /* So many items work on one row: a power of two. */
    uint lanes = GROUP;
    while (lanes * n > GROUP) lanes /= 2;
    const uint lane = item % lanes, row = first_row + item / lanes;
    real sum = 0;
    const real here = flags & OF_DIFFERENCES && row < first_row + n ? own[at + row] : 0;
    if (n == 1) {
        for (uint k = begin + item; k < end; k += GROUP)
            sum += term(flags, values[k], x[indices[k]], here);
    } else {
        for (uint k = begin + item; k < end; k += GROUP) {
            entries[k - begin] = values[k];
            gathered[k - begin] = x[indices[k]];
        }
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    if (n > 1 && row < first_row + n) {
        const uint stop = starts[row - row0 + 1] - begin;
        for (uint k = starts[row - row0] - begin + lane; k < stop; k += lanes)
            sum += term(flags, entries[k], gathered[k], here);
    }
    sums[item] = sum;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint reach = lanes / 2; reach > 0; reach /= 2) {
        if (lane < reach) sums[item] += sums[item + reach];
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    if (lane == 0 && row < first_row + n) y[at + row] = result_of(flags, sums[item], row, at, scale, diagonal, own);
}
