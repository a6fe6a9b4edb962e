/* S A for a matrix S of independent normals or signs that is never stored; A is dense or CSR.
 *
 * Rows of S come in groups of 64, the numbers of sixteen counters. Within a group they lie in *planar* order for normals,
 * number 4 l + c at 16 c + l, and in their own order for signs (SIGNS is defined). Rows of A come in parts; the sums of a
 * part are a matrix of their own, d rows of m' numbers, m' being m rounded up to whole groups, and `sum_parts` adds them
 * in their order. The host calls the kernels for one chunk of rows after the other, from row `chunk_first` to row
 * `chunk_last`: sums go on from where they stand, so that the bits do not depend on the chunks, which begin at multiples
 * of DEPTH rows.
 */
#include "normals.h"
#include "philox.h"
#include "sum_parts.h"

#define GROUP 64
#define COUNTERS 16

#ifdef CPU_FORM
#define DEPTH 64
#if REAL == 64
typedef double4 numbers;
#else
typedef float8 numbers;
#endif
#define LANES ((uint)(sizeof(numbers) / sizeof(real)))
#ifdef CLANG_BUILTINS
#define VECTORISED _Pragma("clang loop vectorize(assume_safety)")
#define UNROLLED _Pragma("unroll")
#else
#define VECTORISED
#define UNROLLED
#endif

/* Write DEPTH rows of a panel: for each row of A from `row` on, the group's numbers. */
inline void fill_panel(__local real *panel, ulong row, uint group, uint stream, uint key0, uint key1) {
#ifdef SIGNS
    uint words[2][DEPTH];
    const uint odd = group & 1u;
    VECTORISED
    for (uint k = 0; k < DEPTH; k++) {
        uint x0 = (uint)(row + k), x1 = (uint)((row + k) >> 32), x2 = group / 2, x3 = stream;
        PHILOX(x0, x1, x2, x3, key0, key1)
        words[0][k] = odd ? x2 : x0;
        words[1][k] = odd ? x3 : x1;
    }
    for (uint k = 0; k < DEPTH; k++)
        for (uint upper = 0; upper < 2; upper++) {
            __local real *out = panel + k * GROUP + 32 * upper;
            const uint word = words[upper][k];
            VECTORISED
            for (uint bit = 0; bit < 32; bit++) out[bit] = SIGNED(NUMBER(1.0), (word >> bit) & 1u);
        }
#else
    for (uint k = 0; k < DEPTH; k++) {
        uint words[GROUP];
        VECTORISED
        for (uint l = 0; l < COUNTERS; l++) {
            uint x0 = (uint)(row + k), x1 = (uint)((row + k) >> 32), x2 = group * COUNTERS + l, x3 = stream;
            PHILOX(x0, x1, x2, x3, key0, key1)
            words[l] = x0;
            words[l + COUNTERS] = x1;
            words[l + 2 * COUNTERS] = x2;
            words[l + 3 * COUNTERS] = x3;
        }
        for (uint pair = 0; pair < GROUP; pair += 2 * COUNTERS) {
            __local real *out = panel + k * GROUP + pair;
            VECTORISED
            for (uint l = 0; l < COUNTERS; l++) {
                real with_cosine, with_sine;
                normal_pair(words[pair + l], words[pair + l + COUNTERS], &with_cosine, &with_sine);
                out[l] = with_cosine;
                out[l + COUNTERS] = with_sine;
            }
        }
    }
#endif
}

/* sums[j][i] += sum over k of A[k][j] panel[k][i], for COLUMNS columns and all i: two vectors of i at a time. */
#define ADD_COLUMNS(COLUMNS)                                                                                          \
    inline void add_##COLUMNS(__global const real *restrict A, size_t d, uint depth, __local const real *panel,       \
                              __global real *restrict sums, uint width) {                                             \
        _Pragma("OPENCL FP_CONTRACT ON")                                                                              \
        for (uint i = 0; i < GROUP; i += 2 * LANES) {                                                                 \
            numbers low[COLUMNS], high[COLUMNS];                                                                      \
            UNROLLED for (uint j = 0; j < COLUMNS; j++) {                                                             \
                low[j] = *(__global const numbers *)(sums + (size_t)j * width + i);                                   \
                high[j] = *(__global const numbers *)(sums + (size_t)j * width + i + LANES);                          \
            }                                                                                                         \
            for (uint k = 0; k < depth; k++) {                                                                        \
                const numbers s0 = *(__local const numbers *)(panel + k * GROUP + i);                                 \
                const numbers s1 = *(__local const numbers *)(panel + k * GROUP + i + LANES);                         \
                UNROLLED for (uint j = 0; j < COLUMNS; j++) {                                                         \
                    const real a = A[k * d + j];                                                                      \
                    low[j] += s0 * a;                                                                                 \
                    high[j] += s1 * a;                                                                                \
                }                                                                                                     \
            }                                                                                                         \
            UNROLLED for (uint j = 0; j < COLUMNS; j++) {                                                             \
                *(__global numbers *)(sums + (size_t)j * width + i) = low[j];                                         \
                *(__global numbers *)(sums + (size_t)j * width + i + LANES) = high[j];                                \
            }                                                                                                         \
        }                                                                                                             \
    }
ADD_COLUMNS(6)
ADD_COLUMNS(4)
ADD_COLUMNS(1)

inline void scale_panel(__local real *panel, __global const real *restrict scale, uint depth) {
    for (uint k = 0; k < depth; k++) {
        const real factor = scale[k];
        VECTORISED
        for (uint i = 0; i < GROUP; i++) panel[k * GROUP + i] *= factor;
    }
}

#define CHUNK_ARGUMENTS                                                                                               \
    __global const real *restrict scale, const uint has_scale, const ulong first_row, const ulong chunk_first,        \
        const ulong chunk_last, const ulong part_rows, const uint first_part, const uint d, const uint width,         \
        const uint stream, const uint key0, const uint key1, __global real *restrict sums

/* One work item for each (group, part). A and scale begin at row chunk_first. */
__kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void add_dense(__global const real *restrict A, CHUNK_ARGUMENTS) {
    __local real panel[DEPTH * GROUP] __attribute__((aligned(64)));
    const uint group = get_group_id(0), part = first_part + get_group_id(1);
    const ulong last = min(chunk_last, (part + 1) * part_rows);
    __global real *own = sums + (size_t)part * d * width + group * GROUP;
    for (ulong row = max(chunk_first, part * part_rows); row < last; row += DEPTH) {
        const uint depth = (uint)min((ulong)DEPTH, last - row), at = (uint)(row - chunk_first);
        fill_panel(panel, first_row + row, group, stream, key0, key1);
        if (has_scale) scale_panel(panel, scale + at, depth);
        __global const real *rows = A + (size_t)at * d;
        uint j = 0;
        for (; j + 6 <= d; j += 6) add_6(rows + j, d, depth, panel, own + (size_t)j * width, width);
        for (; j + 4 <= d; j += 4) add_4(rows + j, d, depth, panel, own + (size_t)j * width, width);
        for (; j < d; j++) add_1(rows + j, d, depth, panel, own + (size_t)j * width, width);
    }
}

/* The same for CSR rows; starts begin at row chunk_first, with 0. */
__kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void add_sparse(__global const int *restrict starts, __global const int *restrict columns,
                __global const real *restrict values, CHUNK_ARGUMENTS) {
    __local real panel[DEPTH * GROUP] __attribute__((aligned(64)));
    const uint group = get_group_id(0), part = first_part + get_group_id(1);
    const ulong last = min(chunk_last, (part + 1) * part_rows);
    __global real *own = sums + (size_t)part * d * width + group * GROUP;
    for (ulong row = max(chunk_first, part * part_rows); row < last; row += DEPTH) {
        const uint depth = (uint)min((ulong)DEPTH, last - row), at = (uint)(row - chunk_first);
        if (starts[at] == starts[at + depth]) continue;
        fill_panel(panel, first_row + row, group, stream, key0, key1);
        if (has_scale) scale_panel(panel, scale + at, depth);
        for (uint k = 0; k < depth; k++)
            for (int entry = starts[at + k]; entry < starts[at + k + 1]; entry++) {
                __global real *total = own + (size_t)columns[entry] * width;
                const real value = values[entry];
                VECTORISED
                for (uint i = 0; i < GROUP; i++) total[i] = FMA(value, panel[k * GROUP + i], total[i]);
            }
    }
}
#else /* the GPU form */
#define DEPTH 16
#define ITEMS 256
#define HEIGHT 128 /* numbers of S's column in a tile: two groups */
#define ITEM_COLUMNS (WIDTH / 16)

/* A work group writes DEPTH rows of a panel, the numbers of `groups` groups from `group` on; zeros from row `last` on. */
inline void fill_tile(__local real *panel, uint groups, ulong row, uint depth, uint group, uint stream, uint key0, uint key1) {
    for (uint e = get_local_id(0); e < DEPTH * groups * COUNTERS; e += get_local_size(0)) {
        const uint k = e / (groups * COUNTERS), counter = e % (groups * COUNTERS);
        const ulong i = row + k;
        __local real *out = panel + k * groups * GROUP;
#ifdef SIGNS
        const uint place = group * GROUP + counter * 4; /* the first of four signs */
        uint x0 = (uint)i, x1 = (uint)(i >> 32), x2 = place / 128, x3 = stream;
        PHILOX(x0, x1, x2, x3, key0, key1)
        const uint at = place / 32 % 4, word = (at < 2 ? (at == 0 ? x0 : x1) : (at == 2 ? x2 : x3)) >> (place % 32);
        for (uint c = 0; c < 4; c++)
            out[counter * 4 + c] = k < depth ? SIGNED(NUMBER(1.0), (word >> c) & 1u) : NUMBER(0.0);
#else
        uint x0 = (uint)i, x1 = (uint)(i >> 32), x2 = group * COUNTERS + counter, x3 = stream;
        PHILOX(x0, x1, x2, x3, key0, key1)
        real z0, z1, z2, z3;
        normal_pair(x0, x1, &z0, &z1);
        normal_pair(x2, x3, &z2, &z3);
        out += counter / COUNTERS * GROUP + counter % COUNTERS;
        out[0] = k < depth ? z0 : NUMBER(0.0);
        out[COUNTERS] = k < depth ? z1 : NUMBER(0.0);
        out[2 * COUNTERS] = k < depth ? z2 : NUMBER(0.0);
        out[3 * COUNTERS] = k < depth ? z3 : NUMBER(0.0);
#endif
    }
}

#define CHUNK_ARGUMENTS                                                                                               \
    __global const real *restrict scale, const uint has_scale, const ulong first_row, const ulong chunk_first,        \
        const ulong chunk_last, const ulong part_rows, const uint first_part, const uint d, const uint width,         \
        const uint stream, const uint key0, const uint key1, __global real *restrict sums

/* A work group of 256 for each (tile of 128 of S's numbers, tile of WIDTH columns, part); an item has 8 by WIDTH / 16. */
__kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1)))
void add_dense(__global const real *restrict A, CHUNK_ARGUMENTS) {
    __local real panel[DEPTH * HEIGHT], rows[DEPTH * WIDTH];
    const uint item = get_local_id(0), i0 = item % 16, j0 = item / 16;
    const uint top = get_group_id(0) * HEIGHT, left = get_group_id(1) * WIDTH, part = first_part + get_group_id(2);
    const ulong last = min(chunk_last, (part + 1) * part_rows);
    __global real *own = sums + (size_t)part * d * width;
    real totals[8][ITEM_COLUMNS];
    for (uint a = 0; a < 8; a++)
        for (uint b = 0; b < ITEM_COLUMNS; b++) {
            const uint i = top + i0 + 16 * a, j = left + j0 + 16 * b;
            totals[a][b] = i < width && j < d ? own[(size_t)j * width + i] : NUMBER(0.0);
        }
    for (ulong row = max(chunk_first, part * part_rows); row < last; row += DEPTH) {
        const uint depth = (uint)min((ulong)DEPTH, last - row), at = (uint)(row - chunk_first);
        fill_tile(panel, HEIGHT / GROUP, first_row + row, depth, top / GROUP, stream, key0, key1);
        for (uint e = item; e < DEPTH * WIDTH; e += ITEMS) {
            const uint k = e / WIDTH, j = left + e % WIDTH;
            real a = NUMBER(0.0);
            if (k < depth && j < d) a = A[(size_t)(at + k) * d + j];
            if (has_scale && k < depth) a *= scale[at + k];
            rows[e] = a;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        for (uint k = 0; k < DEPTH; k++) {
            real s[8], a[ITEM_COLUMNS];
            for (uint b = 0; b < ITEM_COLUMNS; b++) a[b] = rows[k * WIDTH + j0 + 16 * b];
            for (uint c = 0; c < 8; c++) s[c] = panel[k * HEIGHT + i0 + 16 * c];
            for (uint c = 0; c < 8; c++)
                for (uint b = 0; b < ITEM_COLUMNS; b++) totals[c][b] = FMA(s[c], a[b], totals[c][b]);
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    for (uint a = 0; a < 8; a++)
        for (uint b = 0; b < ITEM_COLUMNS; b++) {
            const uint i = top + i0 + 16 * a, j = left + j0 + 16 * b;
            if (i < width && j < d) own[(size_t)j * width + i] = totals[a][b];
        }
}

/* CSR rows: a work group of 64 for each (group, part); an item has one of S's numbers and all columns. */
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1)))
void add_sparse(__global const int *restrict starts, __global const int *restrict columns,
                __global const real *restrict values, CHUNK_ARGUMENTS) {
    __local real panel[DEPTH * GROUP];
    const uint group = get_group_id(0), part = first_part + get_group_id(1);
    const ulong last = min(chunk_last, (part + 1) * part_rows);
    __global real *own = sums + (size_t)part * d * width + group * GROUP + get_local_id(0);
    for (ulong row = max(chunk_first, part * part_rows); row < last; row += DEPTH) {
        const uint depth = (uint)min((ulong)DEPTH, last - row), at = (uint)(row - chunk_first);
        fill_tile(panel, 1, first_row + row, depth, group, stream, key0, key1);
        barrier(CLK_LOCAL_MEM_FENCE);
        for (uint k = 0; k < depth; k++) {
            real s = panel[k * GROUP + get_local_id(0)];
            if (has_scale) s *= scale[at + k];
            for (int entry = starts[at + k]; entry < starts[at + k + 1]; entry++) {
                __global real *total = own + (size_t)columns[entry] * width;
                *total = FMA(values[entry], s, *total);
            }
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
}
#endif

/* Entries of sqrt(m) S, for tests: row i of out holds the `width` numbers of row first_row + i of the data. */
__kernel void write_entries(const ulong first_row, const uint width, const uint stream, const uint key0,
                            const uint key1, __global real *restrict out) {
    const uint counter = get_global_id(0);
    const ulong i = first_row + get_global_id(1);
    __global real *own = out + get_global_id(1) * (size_t)width;
    uint x0 = (uint)i, x1 = (uint)(i >> 32), x3 = stream;
#ifdef SIGNS
    uint x2 = counter / 32;
    PHILOX(x0, x1, x2, x3, key0, key1)
    const uint at = counter / 8 % 4, word = (at < 2 ? (at == 0 ? x0 : x1) : (at == 2 ? x2 : x3)) >> (counter * 4 % 32);
    for (uint c = 0; c < 4; c++) own[counter * 4 + c] = SIGNED(NUMBER(1.0), (word >> c) & 1u);
#else
    uint x2 = counter;
    PHILOX(x0, x1, x2, x3, key0, key1)
    real z0, z1, z2, z3;
    normal_pair(x0, x1, &z0, &z1);
    normal_pair(x2, x3, &z2, &z3);
    own[counter * 4] = z0;
    own[counter * 4 + 1] = z1;
    own[counter * 4 + 2] = z2;
    own[counter * 4 + 3] = z3;
#endif
}
