/* The sums of parts, added in their order: out[i][j] = factor * sum over parts of sums[part][places[i]][j]. */
#include "real.h"

__kernel void sum_parts(__global const real *restrict sums, __global const int *restrict places, const uint n_parts,
                        const ulong part_size, const uint place_distance, const uint column_distance, const uint size,
                        const uint d, const real factor, __global real *restrict out) {
    const uint e = get_global_id(0);
    if (e >= size * d) return;
    const uint i = e / d, j = e % d;
    __global const real *own = sums + (size_t)places[i] * place_distance + (size_t)j * column_distance;
    real total = 0;
    for (uint part = 0; part < n_parts; part++) total += own[part * part_size];
    out[e] = total * factor;
}
