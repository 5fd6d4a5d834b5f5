/* bench/core_probe.c: see core_probe.h. */
#include "core_probe.h"

#include <string.h>
#include <time.h>

enum {
    PEAK_ROUNDS = 200000,
    ISSUE_ROUNDS = 100000,
    CHAINS = 12,
};

static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

#if defined(__x86_64__)
/* Register names are pasted into the text: r is "zmm" or "ymm", i the chain's number. Operands are
 * zeros in registers 14 and 15; products that are not added up in one instruction go through 12 and
 * 13, which the core renames. */
#define ONE(op, r, i) op " %%" r "14, %%" r "15, %%" r #i "\n\t"
#define FMA(r, i)     ONE("vfmadd231ps", r, i)
#define DPW(r, i)     ONE("vpdpwssd", r, i)
#define DPB(r, i)     ONE("vpdpbusd", r, i)
#define DPW_VEX(r, i) ONE("%{vex%} vpdpwssd", r, i)
#define DPB_VEX(r, i) ONE("%{vex%} vpdpbusd", r, i)
#define MADD(r, i)                                                                                 \
    "vpmaddwd %%" r "14, %%" r "15, %%" r "12\n\tvpaddd %%" r "12, %%" r #i ", %%" r #i "\n\t"
#define MADDUBS(r, i)                                                                              \
    "vpmaddubsw %%" r "14, %%" r "15, %%" r "12\n\tvpmaddubsw %%" r "14, %%" r "15, %%" r          \
    "13\n\tvpaddw %%" r "12, %%" r "13, %%" r "13\n\tvpmaddwd %%" r "13, %%" r "15, %%" r          \
    "12\n\tvpaddd %%" r "12, %%" r #i ", %%" r #i "\n\t"
#define LOOP(step, r)                                                                              \
    __asm__ volatile("vpxor %%xmm14, %%xmm14, %%xmm14\n\tvpxor %%xmm15, %%xmm15, %%xmm15\n"        \
                     "1:\n\t" step(r, 0) step(r, 1) step(r, 2) step(r, 3) step(r, 4) step(r, 5)    \
                         step(r, 6) step(r, 7) step(r, 8) step(r, 9) step(r, 10)                   \
                             step(r, 11) "dec %0\n\tjnz 1b\n\tvzeroupper"                          \
                     : "+r"(rounds)                                                                \
                     :                                                                             \
                     : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8",     \
                       "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "cc")
#define LOOP_FUNCTION(name, step, r)                                                               \
    static void name(long rounds) {                                                                \
        LOOP(step, r);                                                                             \
    }
LOOP_FUNCTION(fma_zmm, FMA, "zmm")
LOOP_FUNCTION(fma_ymm, FMA, "ymm")
LOOP_FUNCTION(dpw_zmm, DPW, "zmm")
LOOP_FUNCTION(dpw_ymm, DPW_VEX, "ymm")
LOOP_FUNCTION(madd_zmm, MADD, "zmm")
LOOP_FUNCTION(madd_ymm, MADD, "ymm")
LOOP_FUNCTION(dpb_zmm, DPB, "zmm")
LOOP_FUNCTION(dpb_ymm, DPB_VEX, "ymm")
LOOP_FUNCTION(maddubs_zmm, MADDUBS, "zmm")
LOOP_FUNCTION(maddubs_ymm, MADDUBS, "ymm")

/* multiply_adds: of one chain's step. */
typedef struct peak_loop {
    const char *tier;
    arithmetic what;
    void (*run)(long rounds);
    double multiply_adds;
} peak_loop;
/* avx512_amx has no loop for bytes: its tile product needs the tiles' configuration. */
static const peak_loop loops[] = {
    {"avx2", ARITHMETIC_F32, fma_ymm, 8},         {"avx2", ARITHMETIC_S16, madd_ymm, 16},
    {"avx2", ARITHMETIC_U8, maddubs_ymm, 64},     {"avx_vnni", ARITHMETIC_F32, fma_ymm, 8},
    {"avx_vnni", ARITHMETIC_S16, dpw_ymm, 16},    {"avx_vnni", ARITHMETIC_U8, dpb_ymm, 32},
    {"avx512", ARITHMETIC_F32, fma_zmm, 16},      {"avx512", ARITHMETIC_S16, madd_zmm, 32},
    {"avx512", ARITHMETIC_U8, maddubs_zmm, 128},  {"avx512_vnni", ARITHMETIC_F32, fma_zmm, 16},
    {"avx512_vnni", ARITHMETIC_S16, dpw_zmm, 32}, {"avx512_vnni", ARITHMETIC_U8, dpb_zmm, 64},
    {"avx512_amx", ARITHMETIC_F32, fma_zmm, 16},  {"avx512_amx", ARITHMETIC_S16, dpw_zmm, 32},
};

static double probe_peak(const char *tier, arithmetic what) {
    for (size_t i = 0; i < sizeof loops / sizeof *loops; i++) {
        if (strcmp(loops[i].tier, tier) != 0 || loops[i].what != what)
            continue;
        double begin = seconds();
        loops[i].run(PEAK_ROUNDS);
        return 2e-9 * CHAINS * loops[i].multiply_adds * PEAK_ROUNDS / (seconds() - begin);
    }
    return 0;
}
#else
static double probe_peak(const char *tier, arithmetic what) {
    (void)tier, (void)what;
    return 0;
}
#endif

probe probe_core(const char *tier, arithmetic what) {
    double peak = probe_peak(tier, what), begin = seconds();
    for (int i = 0; i < ISSUE_ROUNDS; i++)
        __asm__ volatile("nop\n\tnop\n\tnop\n\tnop\n\tnop\n\tnop\n\tnop\n\tnop\n\tnop\n\tnop\n\t");
    return (probe){peak, 10e-9 * ISSUE_ROUNDS / (seconds() - begin)};
}

static double less_of(double a, double b) {
    return a < b ? a : b;
}
static double more_of(double a, double b) {
    return a > b ? a : b;
}
probe worse_probe(probe a, probe b) {
    return (probe){less_of(a.peak, b.peak), less_of(a.issue, b.issue)};
}
probe better_probe(probe a, probe b) {
    return (probe){more_of(a.peak, b.peak), more_of(a.issue, b.issue)};
}
