/* Conjugate gradients that stay on the device, preconditioned by the diagonal.
 *
 * The system is H + strength w w', where H is, for SYSTEM
 *   0: [diag(d_1) A; A' diag(d_2)]
 *   1: diag(d) + sum_i a_ij (x_j - s_i (A x)_i), the Schur complement of such a matrix
 *   2: diag(d) + A' diag(s) A
 * `cg_whole` does all steps in one launch, one work group for each problem; of the others each is a part of a step, and
 * the scalars stay in a buffer. Sums have a fixed order. GROUP items work together: one on a CPU.
 */
#include "real.h"

#define HESSIAN 0
#define SCHUR 1
#define GRAM 2

typedef __global const real *restrict Reals;
typedef __global const uint *restrict Indices;

#if GROUP == 1
#define LANES 8
#define SYNC
#define LOCAL_SUMS
#define TOTAL(own) (own)
#define HAS_GROUP_SIZE
/* A single item adds to the image row by row: it begins with the diagonal's part. */
#define BEGIN_IMAGE q[i] = diagonal[i] * p[i];
#else
#define LANES 1
#define SYNC barrier(CLK_LOCAL_MEM_FENCE | CLK_GLOBAL_MEM_FENCE)
#define LOCAL_SUMS __local real group_sums[GROUP];
#define TOTAL(own) group_total(own, group_sums)
#define BEGIN_IMAGE
#define HAS_GROUP_SIZE __attribute__((reqd_work_group_size(GROUP, 1, 1)))

inline real group_total(real own, __local real *sums) {
    const uint lane = get_local_id(0);
    barrier(CLK_LOCAL_MEM_FENCE);
    sums[lane] = own;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint reach = GROUP / 2; reach > 0; reach /= 2) {
        if (lane < reach) sums[lane] += sums[lane + reach];
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    return sums[0];
}
#endif

/* This item's elements of `size`, LANES at a time; `one` is done for each element i of lane l. */
#define EACH(size, one)                                                                                               \
    {                                                                                                                 \
        uint i0 = get_local_id(0) * LANES;                                                                            \
        for (; i0 + LANES <= (size); i0 += GROUP * LANES)                                                             \
            for (uint l = 0; l < LANES; l++) { const uint i = i0 + l; one }                                           \
        if (LANES > 1) for (uint i = i0, l = 0; i < (size); i++) { one }                                              \
    }

inline real lane_total(const real *sums) {
#if LANES == 8
    return ((sums[0] + sums[1]) + (sums[2] + sums[3])) + ((sums[4] + sums[5]) + (sums[6] + sums[7]));
#else
    return sums[0];
#endif
}
#define NO_SUMS(name) real name[LANES]; for (uint l = 0; l < LANES; l++) name[l] = 0;

/* Problem k has the rows row_bounds[k] to row_bounds[k + 1], the same of columns, and its unknowns one after the other:
 * rows and columns where SYSTEM is HESSIAN, else columns. After the answers, x takes the steps and the square of the residual
 * of each problem. `work` has room for three vectors of unknowns and, at the end,
 * one of rows. The columns' matrix is used where GROUP > 1. */
__kernel HAS_GROUP_SIZE
void cg_whole(Indices starts, Indices indices, Reals values, Indices column_starts, Indices rows, Reals column_values,
              Indices row_bounds, Indices column_bounds, Reals scale, Reals all_diagonal, Reals all_inverse, Reals all_w,
              real strength, Reals all_b, __global real *restrict all_x, __global real *restrict work, uint n_unknowns,
              real tolerance, uint most_steps) {
    LOCAL_SUMS
    const uint problem = get_group_id(0), item = get_local_id(0);
    const uint row0 = row_bounds[problem], n_rows = row_bounds[problem + 1] - row0;
    const uint column0 = column_bounds[problem], n_columns = column_bounds[problem + 1] - column0;
#if SYSTEM == HESSIAN
    const uint begin = row0 + column0, size = n_rows + n_columns;
#else
    const uint begin = column0, size = n_columns;
    __global real *restrict means = work + 3 * (size_t)n_unknowns + row0;
#endif
    __global real *restrict x = all_x + begin, *restrict r = work + begin;
    __global real *restrict p = work + n_unknowns + begin, *restrict q = work + 2 * (size_t)n_unknowns + begin;
    Reals diagonal = all_diagonal + begin, inverse = all_inverse + begin, w = all_w + begin, b = all_b + begin;

    NO_SUMS(first_squares)
    NO_SUMS(first_energies)
    EACH(size, {
        const real here = b[i];
        x[i] = 0;
        r[i] = here;
        p[i] = inverse[i] * here;
        BEGIN_IMAGE
        first_squares[l] += here * here;
        first_energies[l] += inverse[i] * here * here;
    })
    real square = TOTAL(lane_total(first_squares)), energy = TOTAL(lane_total(first_energies));
    const real goal = tolerance * tolerance * square;
    uint step = 0;
    SYNC;
    for (; step < most_steps && square > goal; step++) {
        real push = 0;
        if (strength != 0) {
            NO_SUMS(along)
            EACH(size, { along[l] += w[i] * p[i]; })
            push = strength * TOTAL(lane_total(along));
        }
#if GROUP == 1
        for (uint row = 0; row < n_rows; row++) {
            const uint first = starts[row0 + row], last = starts[row0 + row + 1];
            real sum = 0;
#if SYSTEM == HESSIAN
            const real at = p[row];
            __global real *restrict q2 = q + n_rows, *restrict p2 = p + n_rows;
            for (uint k = first; k < last; k++) {
                const uint j = indices[k] - column0;
                sum += values[k] * p2[j];
                q2[j] += values[k] * at;
            }
            q[row] += sum;
#else
            for (uint k = first; k < last; k++) sum += values[k] * p[indices[k] - column0];
            sum *= scale[row0 + row];
            for (uint k = first; k < last; k++) {
                const uint j = indices[k] - column0;
                q[j] += values[k] * (SYSTEM == SCHUR ? p[j] - sum : sum);
            }
#endif
        }
#else
        for (uint row = item; row < n_rows; row += GROUP) {
            real sum = 0;
            for (uint k = starts[row0 + row]; k < starts[row0 + row + 1]; k++)
                sum += values[k] * p[indices[k] - column0 + (SYSTEM == HESSIAN ? n_rows : 0)];
#if SYSTEM == HESSIAN
            q[row] = diagonal[row] * p[row] + sum;
#else
            means[row] = scale[row0 + row] * sum;
#endif
        }
        SYNC;
        for (uint column = item; column < n_columns; column += GROUP) {
            real sum = 0;
#if SYSTEM == HESSIAN
            const uint place = n_rows + column;
            __global const real *restrict at = p;
#else
            const uint place = column;
            __global const real *restrict at = means;
#endif
            for (uint k = column_starts[column0 + column]; k < column_starts[column0 + column + 1]; k++) {
                const real other = at[rows[k] - row0];
                sum += column_values[k] * (SYSTEM == SCHUR ? p[place] - other : other);
            }
            q[place] = diagonal[place] * p[place] + sum;
        }
        SYNC;
#endif
        NO_SUMS(curvatures)
        EACH(size, {
            if (strength != 0) q[i] += push * w[i];
            curvatures[l] += p[i] * q[i];
        })
        const real curvature = TOTAL(lane_total(curvatures));
        if (!(curvature > 0)) break;
        const real length = energy / curvature;
        NO_SUMS(squares)
        NO_SUMS(energies)
        EACH(size, {
            x[i] += length * p[i];
            const real here = r[i] - length * q[i];
            r[i] = here;
            squares[l] += here * here;
            energies[l] += inverse[i] * here * here;
        })
        square = TOTAL(lane_total(squares));
        const real next = TOTAL(lane_total(energies)), ratio = next / energy;
        energy = next;
        EACH(size, {
            p[i] = inverse[i] * r[i] + ratio * p[i];
            BEGIN_IMAGE
        })
        SYNC;
    }
    if (item == 0) {
        all_x[n_unknowns + 2 * problem] = step;
        all_x[n_unknowns + 2 * problem + 1] = square;
    }
}

/* The parts of a step. A group does `length` unknowns from length * its number on; its sums go into `parts`:
 * curvatures, squares, energies, and products of w and p, N_PARTS of each. `scalars` holds the square and the energy of
 * the residual after even and odd steps, the goal, and the number of steps. A step beyond the goal changes nothing. */
#define N_PARTS 256
#define SQUARE(parity) scalars[2 * (parity)]
#define ENERGY(parity) scalars[2 * (parity) + 1]
#define GOAL scalars[4]
#define STEPS scalars[5]

#if GROUP == 1
#define SUM_OF_PARTS(first) sum_of_parts(parts + (first) * N_PARTS, n_groups)
inline real sum_of_parts(__global const real *restrict parts, uint n_groups) {
    real sum = 0;
    for (uint k = 0; k < n_groups; k++) sum += parts[k];
    return sum;
}
#else
#define SUM_OF_PARTS(first) sum_of_parts(parts + (first) * N_PARTS, n_groups, group_sums)
inline real sum_of_parts(__global const real *restrict parts, uint n_groups, __local real *sums) {
    real own = 0;
    for (uint k = get_local_id(0); k < n_groups; k += GROUP) own += parts[k];
    return group_total(own, sums);
}
#endif

#define BLOCK(name) name += (size_t)get_group_id(0) * length;
#define BLOCK_SIZE const uint size = min(length, n_unknowns - (uint)get_group_id(0) * length), n_groups = get_num_groups(0);

__kernel HAS_GROUP_SIZE
void cg_begin(uint n_unknowns, uint length, Reals inverse, Reals w, __global const real *restrict b,
              __global real *restrict x, __global real *restrict r, __global real *restrict p,
              __global real *restrict parts) {
    LOCAL_SUMS
    BLOCK_SIZE
    const size_t at = (size_t)get_group_id(0) * length;
    NO_SUMS(squares)
    NO_SUMS(energies)
    NO_SUMS(along)
    EACH(size, {
        const real here = b[at + i];
        const real direction = inverse[at + i] * here;
        x[at + i] = 0;
        r[at + i] = here;
        p[at + i] = direction;
        squares[l] += here * here;
        energies[l] += direction * here;
        along[l] += w[at + i] * direction;
    })
    const real square = TOTAL(lane_total(squares)), energy = TOTAL(lane_total(energies));
    const real product = TOTAL(lane_total(along));
    if (get_local_id(0) == 0) {
        parts[N_PARTS + get_group_id(0)] = square;
        parts[2 * N_PARTS + get_group_id(0)] = energy;
        parts[3 * N_PARTS + get_group_id(0)] = product;
    }
}

/* One group: the first scalars. */
__kernel HAS_GROUP_SIZE
void cg_first(__global const real *restrict parts, uint n_groups, real tolerance, __global real *restrict scalars) {
    LOCAL_SUMS
    const real square = SUM_OF_PARTS(1), energy = SUM_OF_PARTS(2);
    if (get_local_id(0) == 0) {
        SQUARE(0) = square;
        ENERGY(0) = energy;
        GOAL = tolerance * tolerance * square;
        STEPS = 0;
    }
}

/* q becomes q + strength w (w'p); the parts of p'q. */
__kernel HAS_GROUP_SIZE
void cg_curvature(uint n_unknowns, uint length, Reals w, real strength, Reals p, __global real *restrict q,
                  __global real *restrict parts) {
    LOCAL_SUMS
    BLOCK_SIZE
    const size_t at = (size_t)get_group_id(0) * length;
    const real push = strength != 0 ? strength * SUM_OF_PARTS(3) : 0;
    NO_SUMS(curvatures)
    EACH(size, {
        real image = q[at + i];
        if (strength != 0) {
            image += push * w[at + i];
            q[at + i] = image;
        }
        curvatures[l] += p[at + i] * image;
    })
    const real curvature = TOTAL(lane_total(curvatures));
    if (get_local_id(0) == 0) parts[get_group_id(0)] = curvature;
}

/* The step along p, and the parts of the residual's square and energy. */
__kernel HAS_GROUP_SIZE
void cg_step(uint n_unknowns, uint length, uint parity, Reals inverse, Reals p, Reals q, __global real *restrict x,
             __global real *restrict r, __global real *restrict parts, __global const real *restrict scalars) {
    LOCAL_SUMS
    BLOCK_SIZE
    const size_t at = (size_t)get_group_id(0) * length;
    const real curvature = SUM_OF_PARTS(0);
    const real factor = SQUARE(parity) > GOAL && curvature > 0 ? ENERGY(parity) / curvature : 0;
    NO_SUMS(squares)
    NO_SUMS(energies)
    EACH(size, {
        const real here = r[at + i] - factor * q[at + i];
        x[at + i] += factor * p[at + i];
        r[at + i] = here;
        squares[l] += here * here;
        energies[l] += inverse[at + i] * here * here;
    })
    const real square = TOTAL(lane_total(squares)), energy = TOTAL(lane_total(energies));
    if (get_local_id(0) == 0) {
        parts[N_PARTS + get_group_id(0)] = square;
        parts[2 * N_PARTS + get_group_id(0)] = energy;
    }
}

/* The next direction, the parts of w'p, and the scalars of the other parity. */
__kernel HAS_GROUP_SIZE
void cg_direction(uint n_unknowns, uint length, uint parity, Reals inverse, Reals w, Reals r, __global real *restrict p,
                  __global real *restrict parts, __global real *restrict scalars) {
    LOCAL_SUMS
    BLOCK_SIZE
    const size_t at = (size_t)get_group_id(0) * length;
    const real curvature = SUM_OF_PARTS(0), square = SUM_OF_PARTS(1), energy = SUM_OF_PARTS(2);
    const int goes_on = SQUARE(parity) > GOAL && curvature > 0;
    const real ratio = goes_on ? energy / ENERGY(parity) : 0;
    NO_SUMS(along)
    EACH(size, {
        if (goes_on) {
            const real direction = inverse[at + i] * r[at + i] + ratio * p[at + i];
            p[at + i] = direction;
            along[l] += w[at + i] * direction;
        }
    })
    const real product = TOTAL(lane_total(along));
    if (get_local_id(0) == 0) parts[3 * N_PARTS + get_group_id(0)] = product;
    if (get_global_id(0) == 0) {
        if (goes_on) STEPS += 1;
        /* Of a direction without curvature nothing more is to be had. */
        SQUARE(1 - parity) = goes_on || !(SQUARE(parity) > GOAL) ? square : -square;
        ENERGY(1 - parity) = energy;
    }
}
