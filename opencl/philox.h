/* Philox4x32-10 (Salmon, Moraes, Dror and Shaw, SC 2011): four words from a counter of four words and a key of two.
 *
 * The counter is (low word of i, high word of i, k, stream), as in sparsesolve/random/: the same bits everywhere.
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
#define PHILOX_NARROW(x0, x1, x2, x3, key0, key1)   \
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
/* The same in numbers of 64 bits: a processor's vectors multiply those that way, and need not be rearranged between. */
#define PHILOX_WIDE(x0, x1, x2, x3, key0, key1)                                        \
    {                                                                                  \
        ulong wide0_ = (x0), wide1_ = (x1), wide2_ = (x2), wide3_ = (x3);              \
        uint step0_ = (key0), step1_ = (key1);                                         \
        _Pragma("unroll") for (int round_ = 0; round_ < 10; round_++) {                \
            const ulong product0_ = 0xD2511F53ul * wide0_;                             \
            const ulong product1_ = 0xCD9E8D57ul * wide2_;                             \
            wide0_ = (product1_ >> 32) ^ wide1_ ^ step0_;                              \
            wide1_ = product1_ & 0xFFFFFFFFul;                                         \
            wide2_ = (product0_ >> 32) ^ wide3_ ^ step1_;                              \
            wide3_ = product0_ & 0xFFFFFFFFul;                                         \
            step0_ += 0x9E3779B9u;                                                     \
            step1_ += 0xBB67AE85u;                                                     \
        }                                                                              \
        x0 = (uint)wide0_;                                                             \
        x1 = (uint)wide1_;                                                             \
        x2 = (uint)wide2_;                                                             \
        x3 = (uint)wide3_;                                                             \
    }
#ifdef CLANG_BUILTINS
#define PHILOX PHILOX_WIDE
#else
#define PHILOX PHILOX_NARROW
#endif
