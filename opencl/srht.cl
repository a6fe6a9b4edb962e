/* Subsampled Hadamard transforms: signs, transform and sampling in one reading of A, which is neither copied nor padded.
 *
 * A has n_rows rows of d numbers. Row `offset` of block `first_block` is A's first one; a block has `block` rows, a power
 * of two and at least 64, and rows outside A are zero. Block k is signed, scaled, transformed, and added to the sums of
 * its part of `part_blocks` blocks: with signs of its own (the block SRHT), or with those of the coarse Hadamard matrix,
 * for the sampled rows alone (the padded one, `padded`). The sums of a part are `height` rows of `pitch` numbers, pitch
 * being d rounded up to a multiple of WIDTH, and `sum_parts` adds them in their order. The host calls the kernels for one
 * chunk of blocks after the other; sums go on from where they stand. Block numbers count from 0 in the whole matrix,
 * `origin` is the first one of part 0, and the signs are those of sparsesolve/random/.
 */
#include "philox.h"
#include "sum_parts.h"

#define NEGATED(x, odd) AS_REAL(AS_BITS(x) ^ ((same_bits)(odd) << (8 * sizeof(real) - 1)))

#define CHUNK_ARGUMENTS                                                                                               \
    const ulong n_rows, const uint d, __global const real *restrict scale, const uint has_scale,                      \
        const ulong first_block, const uint offset, const uint block

#define SUM_ARGUMENTS                                                                                                 \
    const ulong last_block, const ulong origin, const uint part_blocks, const uint first_part, const uint padded,     \
        const uint n_sampled, __global const int *restrict fine, __global const ulong *restrict coarse,               \
        const uint height, const uint pitch, __global real *restrict sums

inline uint parity(ulong bits) {
    bits ^= bits >> 32;
    uint low = (uint)bits;
    low ^= low >> 16;
    low ^= low >> 8;
    low ^= low >> 4;
    return (0x6996u >> (low & 15u)) & 1u;
}

#ifdef CPU_FORM
#if REAL == 64
typedef double4 numbers;
#else
typedef float8 numbers;
#endif
/* Rows of A begin anywhere. */
typedef numbers loose_numbers __attribute__((aligned(sizeof(real))));
#define LANES ((uint)(sizeof(numbers) / sizeof(real)))

#define PAIR(a, b)             \
    {                          \
        const numbers c = a;   \
        a = c + b;             \
        b = c - b;             \
    }
#define EIGHT(x)                                                                                       \
    PAIR(x[0], x[1]) PAIR(x[2], x[3]) PAIR(x[4], x[5]) PAIR(x[6], x[7]) PAIR(x[0], x[2]) PAIR(x[1], x[3]) \
    PAIR(x[4], x[6]) PAIR(x[5], x[7]) PAIR(x[0], x[4]) PAIR(x[1], x[5]) PAIR(x[2], x[6]) PAIR(x[3], x[7])

/* Words of the signs of a block's rows: the bit of row r is bit r % 32 of word r / 32. */
inline void fill_words(__global uint *restrict words, uint block, ulong k, uint stream, uint key0, uint key1) {
    for (uint place = 0; place < block; place += 128) {
        uint x0 = (uint)k, x1 = (uint)(k >> 32), x2 = place / 128, x3 = stream;
        PHILOX(x0, x1, x2, x3, key0, key1)
        words[place / 32] = x0;
        words[place / 32 + 1] = x1;
        words[place / 32 + 2] = x2;
        words[place / 32 + 3] = x3;
    }
}

/* X[j] for rows j, j + distance ... of a run of `run` numbers. */
#define PASS(RADIX, BUTTERFLY)                                                                                        \
    inline void pass_##RADIX(__global real *restrict X, uint run, uint distance) {                                    \
        for (uint at = 0; at < run; at += LANES) {                                                                    \
            numbers x[RADIX];                                                                                         \
            _Pragma("unroll") for (uint i = 0; i < RADIX; i++) x[i] = *(__global numbers *)(X + at + i * distance);   \
            BUTTERFLY                                                                                                 \
            _Pragma("unroll") for (uint i = 0; i < RADIX; i++) *(__global numbers *)(X + at + i * distance) = x[i];   \
        }                                                                                                             \
    }
PASS(8, EIGHT(x))
PASS(4, PAIR(x[0], x[1]) PAIR(x[2], x[3]) PAIR(x[0], x[2]) PAIR(x[1], x[3]))
PASS(2, PAIR(x[0], x[1]))

/* Eight rows of A from row `row` on, signed and scaled; zeros outside A. They are transformed and written to X. */
inline void load_eight(__global const real *restrict A, long row, uint left, uint word, __global real *restrict X,
                       CHUNK_ARGUMENTS) {
    real factor[8];
    for (uint i = 0; i < 8; i++) {
        const int inside = row + i >= 0 && row + i < (long)n_rows;
        factor[i] = NEGATED((real)(inside ? 1 : 0), (word >> i) & 1u);
        if (has_scale && inside) factor[i] *= scale[row + i];
    }
    if (row >= 0 && row + 8 <= (long)n_rows && left + WIDTH <= d) {
        __global const real *own = A + (size_t)row * d + left;
        for (uint at = 0; at < WIDTH; at += LANES) {
            numbers x[8];
            _Pragma("unroll") for (uint i = 0; i < 8; i++)
                x[i] = *(__global const loose_numbers *)(own + (size_t)i * d + at) * factor[i];
            EIGHT(x)
            _Pragma("unroll") for (uint i = 0; i < 8; i++) *(__global numbers *)(X + i * WIDTH + at) = x[i];
        }
        return;
    }
    for (uint i = 0; i < 8; i++) {
        const int inside = row + i >= 0 && row + i < (long)n_rows;
        for (uint at = 0; at < WIDTH; at++)
            X[i * WIDTH + at] = inside && left + at < d ? A[(size_t)(row + i) * d + left + at] * factor[i] : 0;
    }
    pass_8(X, WIDTH, WIDTH);
}

/* One work item for each (tile of WIDTH columns, part); each has a scratch of `block` rows, and of words. */
__kernel __attribute__((reqd_work_group_size(1, 1, 1)))
void add_blocks(__global const real *restrict A, CHUNK_ARGUMENTS, SUM_ARGUMENTS, const uint row_stream,
                const uint block_stream, const uint key0, const uint key1, __global real *restrict scratch,
                __global uint *restrict words) {
    const uint left = get_group_id(0) * WIDTH, part = first_part + get_group_id(1);
    const size_t item = get_group_id(1) * get_num_groups(0) + get_group_id(0);
    __global real *restrict X = scratch + item * block * WIDTH;
    __global uint *restrict bits = words + item * (block / 32 + 2);
    __global real *restrict own = sums + (size_t)part * height * pitch + left;
    const ulong begin = max(first_block, origin + (ulong)part * part_blocks);
    const ulong end = min(last_block, origin + (ulong)(part + 1) * part_blocks);
    const uint apart = block / 8;
    for (ulong k = begin; k < end; k++) {
        const long row = (long)((k - first_block) * block) - (long)offset;
        fill_words(bits, block, k, row_stream, key0, key1);
        for (uint r = 0; r < block; r += 8)
            load_eight(A, row + r, left, bits[r / 32] >> (r % 32), X + r * WIDTH, n_rows, d, scale, has_scale,
                       first_block, offset, block);
        uint distance = 8;
        for (; distance < apart; distance *= 8) {
            const uint radix = min(8u, apart / distance);
            for (uint r = 0; r < block; r += radix * distance) {
                __global real *rows = X + r * WIDTH;
                if (radix == 8) pass_8(rows, distance * WIDTH, distance * WIDTH);
                else if (radix == 4) pass_4(rows, distance * WIDTH, distance * WIDTH);
                else pass_2(rows, distance * WIDTH, distance * WIDTH);
            }
        }
        if (padded) {
            pass_8(X, apart * WIDTH, apart * WIDTH);
            for (uint i = 0; i < n_sampled; i++) {
                const real sign = NEGATED((real)1, parity(k & coarse[i]));
                __global real *out = own + (size_t)i * pitch, *in = X + (uint)fine[i] * WIDTH;
                for (uint at = 0; at < WIDTH; at += LANES)
                    *(__global numbers *)(out + at) += *(__global numbers *)(in + at) * sign;
            }
            continue;
        }
        fill_words(bits, block, k, block_stream, key0, key1);
        for (uint r = 0; r < apart; r++) {
            real sign[8];
            for (uint i = 0; i < 8; i++) {
                const uint place = r + i * apart;
                sign[i] = NEGATED((real)1, (bits[place / 32] >> (place % 32)) & 1u);
            }
            for (uint at = 0; at < WIDTH; at += LANES) {
                numbers x[8];
                __global real *in = X + r * WIDTH + at, *out = own + (size_t)r * pitch + at;
                _Pragma("unroll") for (uint i = 0; i < 8; i++) x[i] = *(__global numbers *)(in + i * apart * WIDTH);
                EIGHT(x)
                _Pragma("unroll") for (uint i = 0; i < 8; i++)
                    *(__global numbers *)(out + (size_t)i * apart * pitch) += x[i] * sign[i];
            }
        }
    }
}
#else /* the GPU form: a work group of 256 transforms a tile of HEIGHT rows, a power of two, and WIDTH columns */
#define ITEMS 256
#define EACH (HEIGHT * WIDTH / ITEMS)

/* The words of the signs of the 128 rows that `row` is in, and the one that it is in. */
inline uint sign_word(ulong k, uint row, uint stream, uint key0, uint key1) {
    uint x0 = (uint)k, x1 = (uint)(k >> 32), x2 = row / 128, x3 = stream;
    PHILOX(x0, x1, x2, x3, key0, key1)
    const uint at = row / 32 % 4;
    return at < 2 ? (at == 0 ? x0 : x1) : (at == 2 ? x2 : x3);
}

/* Signs of a tile's rows: of 32 rows in a word where they are neighbours, else one in each. A barrier must follow. */
inline void fill_signs(__local uint *signs, ulong k, uint top, uint apart, uint stream, uint key0, uint key1) {
    const uint each = apart == 1 ? 32 : 1;
    for (uint e = get_local_id(0); e < HEIGHT / each; e += ITEMS) {
        const uint row = top + e * each * apart;
        signs[e] = sign_word(k, row, stream, key0, key1) >> (row % 32);
    }
}

inline uint sign_of(__local const uint *signs, uint row, uint apart) {
    return (apart == 1 ? signs[row / 32] >> (row % 32) : signs[row]) & 1u;
}

/* Transform the rows of a tile that every item has written a part of; afterwards every item may read all of it. */
inline void transform_tile(__local real *tile) {
    barrier(CLK_LOCAL_MEM_FENCE);
    uint distance = 1;
    for (; distance * 4 <= HEIGHT; distance *= 4) {
        for (uint e = get_local_id(0); e < HEIGHT / 4 * WIDTH; e += ITEMS) {
            const uint row = e / WIDTH, first = row / distance * 4 * distance + row % distance;
            __local real *x = tile + first * WIDTH + e % WIDTH;
            const uint apart = distance * WIDTH;
            const real a = x[0] + x[apart], b = x[0] - x[apart];
            const real c = x[2 * apart] + x[3 * apart], e0 = x[2 * apart] - x[3 * apart];
            x[0] = a + c;
            x[apart] = b + e0;
            x[2 * apart] = a - c;
            x[3 * apart] = b - e0;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    if (distance < HEIGHT) {
        for (uint e = get_local_id(0); e < HEIGHT / 2 * WIDTH; e += ITEMS) {
            __local real *x = tile + e; /* row e / WIDTH and the one HEIGHT / 2 further on */
            const real a = x[0], b = x[HEIGHT / 2 * WIDTH];
            x[0] = a + b;
            x[HEIGHT / 2 * WIDTH] = a - b;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
}

/* Entry (row, column) of block k, scaled; zero outside A. */
inline real entry(__global const real *restrict A, ulong k, uint row, uint column, CHUNK_ARGUMENTS) {
    const long at = (long)((k - first_block) * block) - (long)offset + row;
    if (at < 0 || at >= (long)n_rows || column >= d) return 0;
    const real x = A[(size_t)at * d + column];
    return has_scale ? x * scale[at] : x;
}

/* The first HEIGHT levels of blocks too tall for one tile: a group for each (tile of columns, run of rows, block). */
__kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1)))
void first_levels(__global const real *restrict A, CHUNK_ARGUMENTS, const uint row_stream, const uint key0,
                  const uint key1, const uint pitch, __global real *restrict transformed) {
    __local real tile[HEIGHT * WIDTH];
    __local uint signs[HEIGHT];
    const uint left = get_group_id(0) * WIDTH, top = get_group_id(1) * HEIGHT;
    const ulong k = first_block + get_group_id(2);
    fill_signs(signs, k, top, 1, row_stream, key0, key1);
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint e = get_local_id(0); e < HEIGHT * WIDTH; e += ITEMS)
        tile[e] = NEGATED(entry(A, k, top + e / WIDTH, left + e % WIDTH, n_rows, d, scale, has_scale, first_block, offset,
                                block), sign_of(signs, e / WIDTH, 1));
    transform_tile(tile);
    __global real *out = transformed + ((size_t)get_group_id(2) * block + top) * pitch + left;
    for (uint e = get_local_id(0); e < HEIGHT * WIDTH; e += ITEMS) out[(size_t)(e / WIDTH) * pitch + e % WIDTH] = tile[e];
}

/* Levels in between, in place: rows of a tile are `apart` rows from one another. */
__kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1)))
void middle_levels(const uint block, const uint apart, const uint pitch, __global real *restrict transformed) {
    __local real tile[HEIGHT * WIDTH];
    const uint group = get_group_id(1), top = group / apart * apart * HEIGHT + group % apart;
    __global real *own = transformed + ((size_t)get_group_id(2) * block + top) * pitch + get_group_id(0) * WIDTH;
    for (uint e = get_local_id(0); e < HEIGHT * WIDTH; e += ITEMS)
        tile[e] = own[(size_t)(e / WIDTH) * apart * pitch + e % WIDTH];
    transform_tile(tile);
    for (uint e = get_local_id(0); e < HEIGHT * WIDTH; e += ITEMS)
        own[(size_t)(e / WIDTH) * apart * pitch + e % WIDTH] = tile[e];
}

/* The last levels, or all, and the sums: a group for each (tile of columns, rows apart, part).
 *
 * With apart = 1, `A` is the matrix and a tile is a block; else it is what `first_levels` has written. The samples of the
 * padded transform are in the order of their fine row's place in the groups: those of group g are starts[g] ... .
 */
__kernel __attribute__((reqd_work_group_size(ITEMS, 1, 1)))
void add_blocks(__global const real *restrict A, CHUNK_ARGUMENTS, SUM_ARGUMENTS, const uint row_stream,
                const uint block_stream, const uint key0, const uint key1, const uint apart,
                __global const int *restrict starts) {
    __local real tile[HEIGHT * WIDTH];
    __local uint row_signs[HEIGHT], block_signs[HEIGHT];
    const uint item = get_local_id(0), left = get_group_id(0) * WIDTH, top = get_group_id(1);
    const uint part = first_part + get_group_id(2);
    __global real *own = sums + (size_t)part * height * pitch + left;
    const ulong begin = max(first_block, origin + (ulong)part * part_blocks);
    const ulong end = min(last_block, origin + (ulong)(part + 1) * part_blocks);
    real totals[EACH];
    for (uint c = 0; c < EACH; c++) {
        const uint e = item + c * ITEMS;
        totals[c] = padded ? 0 : own[(size_t)(top + e / WIDTH * apart) * pitch + e % WIDTH];
    }
    for (ulong k = begin; k < end; k++) {
        if (apart == 1) fill_signs(row_signs, k, top, apart, row_stream, key0, key1);
        if (!padded) fill_signs(block_signs, k, top, apart, block_stream, key0, key1);
        barrier(CLK_LOCAL_MEM_FENCE);
        for (uint e = item; e < HEIGHT * WIDTH; e += ITEMS) {
            const uint row = top + e / WIDTH * apart;
            if (apart == 1)
                tile[e] = NEGATED(entry(A, k, row, left + e % WIDTH, n_rows, d, scale, has_scale, first_block, offset,
                                        block), sign_of(row_signs, e / WIDTH, 1));
            else
                tile[e] = A[((size_t)(k - first_block) * block + row) * pitch + left + e % WIDTH];
        }
        transform_tile(tile);
        if (padded) {
            const uint first = starts[top], count = starts[top + 1] - first;
            for (uint e = item; e < count * WIDTH; e += ITEMS) {
                const uint sample = first + e / WIDTH, row = ((uint)fine[sample] - top) / apart;
                const real x = tile[row * WIDTH + e % WIDTH];
                own[(size_t)sample * pitch + e % WIDTH] += NEGATED(x, parity(k & coarse[sample]));
            }
        } else {
            for (uint c = 0; c < EACH; c++) {
                const uint e = item + c * ITEMS;
                totals[c] += NEGATED(tile[e], sign_of(block_signs, e / WIDTH, apart));
            }
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    if (!padded)
        for (uint c = 0; c < EACH; c++) {
            const uint e = item + c * ITEMS;
            own[(size_t)(top + e / WIDTH * apart) * pitch + e % WIDTH] = totals[c];
        }
}
#endif
