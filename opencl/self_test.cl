/* What a device must get right before it is used; `sparsesolve/backends/self_test.py` knows the answers. */
#include "portable.h"
#include "philox.h"

/* One counter and key, six words, for each work item; the four words that come out. */
__kernel void philox_words(__global const uint *restrict given, __global uint *restrict out) {
    const size_t item = get_global_id(0);
    __global const uint *place = given + 6 * item;
    uint x0 = place[0], x1 = place[1], x2 = place[2], x3 = place[3];
    PHILOX(x0, x1, x2, x3, place[4], place[5])
    out[4 * item] = x0;
    out[4 * item + 1] = x1;
    out[4 * item + 2] = x2;
    out[4 * item + 3] = x3;
}

/* A polynomial by fused steps: its last bits tell whether fma is one, also where the loop is vectorised. */
__kernel void fused_steps(__global const float *restrict x, __global float *restrict out) {
    const size_t item = get_global_id(0);
    out[item] = FMA_F(x[item], FMA_F(x[item], 0.2f, -0.7f), SQRT_F(x[item])) + ROUND_F(x[item]);
}

/* Sums over a work group by a tree in local memory, with barriers. The local size is GROUP. */
__kernel __attribute__((reqd_work_group_size(GROUP, 1, 1)))
void tree_sums(__global const int *restrict x, __global int *restrict out) {
    __local int part[GROUP];
    const uint lane = get_local_id(0);
    part[lane] = x[get_global_id(0)];
    barrier(CLK_LOCAL_MEM_FENCE);
    for (uint reach = GROUP / 2; reach > 0; reach /= 2) {
        if (lane < reach) part[lane] += part[lane + reach];
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    if (lane == 0) out[get_group_id(0)] = part[0];
}
