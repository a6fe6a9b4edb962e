/* Philox4x32-10 (Salmon, Moraes, Dror and Shaw, SC 2011): four words from a counter of four words and a key of two.
 *
 * The counter is (low word of i, high word of i, k, stream), as in sparsesolve/random.py: the same bits everywhere.
 * The ten rounds are written out by macros: a loop inside a kernel keeps a CPU from vectorising over work items.
 * The high half is taken from a 64-bit product, which CPUs do faster than mul_hi.
 */
#define PHILOX_ROUND(x0, x1, x2, x3, key0, key1)                     \
    {                                                                \
        const ulong product0_ = (ulong)0xD2511F53u * (x0);           \
        const ulong product1_ = (ulong)0xCD9E8D57u * (x2);           \
        x0 = (uint)(product1_ >> 32) ^ (x1) ^ (key0);                \
        x1 = (uint)product1_;                                        \
        x2 = (uint)(product0_ >> 32) ^ (x3) ^ (key1);                \
        x3 = (uint)product0_;                                        \
    }
#define PHILOX_KEYED(x0, x1, x2, x3, key0, key1, round) \
    PHILOX_ROUND(x0, x1, x2, x3, (key0) + round##u * 0x9E3779B9u, (key1) + round##u * 0xBB67AE85u)
#define PHILOX(x0, x1, x2, x3, key0, key1)          \
    {                                               \
        PHILOX_KEYED(x0, x1, x2, x3, key0, key1, 0) \
        PHILOX_KEYED(x0, x1, x2, x3, key0, key1, 1) \
        PHILOX_KEYED(x0, x1, x2, x3, key0, key1, 2) \
        PHILOX_KEYED(x0, x1, x2, x3, key0, key1, 3) \
        PHILOX_KEYED(x0, x1, x2, x3, key0, key1, 4) \
        PHILOX_KEYED(x0, x1, x2, x3, key0, key1, 5) \
        PHILOX_KEYED(x0, x1, x2, x3, key0, key1, 6) \
        PHILOX_KEYED(x0, x1, x2, x3, key0, key1, 7) \
        PHILOX_KEYED(x0, x1, x2, x3, key0, key1, 8) \
        PHILOX_KEYED(x0, x1, x2, x3, key0, key1, 9) \
    }
