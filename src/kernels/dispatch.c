/* kernels/dispatch.c: which tiers this CPU and this operating system can run. */
#include "kernels/tiers.h"

#include <stdatomic.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Bits of CPUID that not every compiler's header names. */
enum {
    LEAF7_1_EAX_AVX_VNNI = 1 << 4,
    LEAF7_EDX_AMX_TILE = 1 << 24,
    LEAF7_EDX_AMX_INT8 = 1 << 25,
};

/* What CPUID reports is not enough: the operating system must also save the registers (XCR0). */
typedef struct cpu {
    uint32_t leaf1_ecx, leaf7_ebx, leaf7_ecx, leaf7_edx, leaf7_1_eax, xcr0;
} cpu;

static cpu read_cpu(void) {
    cpu c = {0};
    uint32_t eax, ebx, ecx, edx;
    if (__get_cpuid(1, &eax, &ebx, &ecx, &edx))
        c.leaf1_ecx = ecx;
    if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx)) {
        c.leaf7_ebx = ebx;
        c.leaf7_ecx = ecx;
        c.leaf7_edx = edx;
        if (eax >= 1 && __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx))
            c.leaf7_1_eax = eax;
    }
    if (c.leaf1_ecx & bit_OSXSAVE) {
        uint32_t low, high;
        __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
        c.xcr0 = low;
    }
    return c;
}

enum { XCR0_YMM = 0x06, XCR0_ZMM = 0xe6, XCR0_TILES = 0x60000 };

static const char *why_not_avx2(const cpu *c) {
    if (!(c->leaf7_ebx & bit_AVX2))
        return "this CPU has no AVX2";
    if (!(c->leaf1_ecx & bit_FMA))
        return "this CPU has no FMA";
    if (!(c->leaf1_ecx & bit_F16C))
        return "this CPU has no F16C";
    if ((c->xcr0 & XCR0_YMM) != XCR0_YMM)
        return "the operating system does not save the AVX registers";
    return NULL;
}

static const char *why_not_avx_vnni(const cpu *c) {
    const char *why = why_not_avx2(c);
    return why ? why : c->leaf7_1_eax & LEAF7_1_EAX_AVX_VNNI ? NULL : "this CPU has no AVX-VNNI";
}

static const char *why_not_avx512(const cpu *c) {
    const uint32_t needed = bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL;
    const char *why = why_not_avx2(c);
    if (why)
        return why;
    if (!(c->leaf7_ebx & bit_AVX512F))
        return "this CPU has no AVX-512";
    if ((c->leaf7_ebx & needed) != needed)
        return "this CPU's AVX-512 lacks BW, DQ or VL";
    if ((c->xcr0 & XCR0_ZMM) != XCR0_ZMM)
        return "the operating system does not save the AVX-512 registers";
    return NULL;
}

static const char *why_not_avx512_vnni(const cpu *c) {
    const char *why = why_not_avx512(c);
    return why ? why : c->leaf7_ecx & bit_AVX512VNNI ? NULL : "this CPU's AVX-512 lacks VNNI";
}

/* A process must ask Linux for the tiles once; its threads and the processes that it forks then
 * have them too. */
static const char *why_not_avx512_amx(const cpu *c) {
    enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
    const uint32_t needed = LEAF7_EDX_AMX_TILE | LEAF7_EDX_AMX_INT8;
    const char *why = why_not_avx512_vnni(c);
    if (why)
        return why;
    if ((c->leaf7_edx & needed) != needed)
        return "this CPU has no AMX for 8-bit integers";
    if ((c->xcr0 & XCR0_TILES) != XCR0_TILES)
        return "the operating system does not save the AMX tiles";
    if (syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) != 0)
        return "the operating system does not let this process use AMX";
    return NULL;
}
#else
#include <sys/auxv.h>

typedef struct cpu {
    unsigned long hwcap;
} cpu;

static cpu read_cpu(void) {
    return (cpu){getauxval(AT_HWCAP)};
}

static const char *why_not_neon(const cpu *c) {
    (void)c; /* every 64-bit ARM has it */
    return NULL;
}

static const char *why_not_neon_dotprod(const cpu *c) {
    return c->hwcap & HWCAP_ASIMDDP ? NULL : "this CPU has no DotProd";
}
#endif

static const char *why_not_scalar(const cpu *c) {
    (void)c;
    return NULL;
}

typedef struct tier {
    const kernels *table;
    const char *(*why_not)(const cpu *c);
} tier;

static const tier tiers[] = {
#define TIER(name) {&kernels_##name, why_not_##name},
#include "kernels/tiers.def"
#undef TIER
};
enum { N_TIERS = sizeof tiers / sizeof *tiers };

const char *kernels_tier_name(size_t index) {
    return index < N_TIERS ? tiers[index].table->tier : NULL;
}

const kernels *kernels_find(const char *name, const char **reason) {
    const char *why = "there is no such tier in this build";
    for (size_t i = 0; i < N_TIERS; i++) {
        if (strcmp(tiers[i].table->tier, name) != 0)
            continue;
        cpu c = read_cpu();
        why = tiers[i].why_not(&c);
        if (!why)
            return tiers[i].table;
    }
    if (reason)
        *reason = why;
    return NULL;
}

const kernels *kernels_best(void) {
    /* Two threads that come first at once find the same answer. */
    static _Atomic(const kernels *) best;
    const kernels *found = atomic_load_explicit(&best, memory_order_relaxed);
    if (found)
        return found;
    cpu c = read_cpu();
    for (size_t i = 0; i < N_TIERS; i++)
        if (!tiers[i].why_not(&c))
            found = tiers[i].table;
    atomic_store_explicit(&best, found, memory_order_relaxed);
    return found;
}

static size_t round_up(size_t n, size_t multiple) {
    return (n + multiple - 1) / multiple * multiple;
}

enum { WIDEST_PANEL = 48, TALLEST_TILE = 8, WIDEST_BLOCK = 32, ALIGNMENT = 16 };

size_t attention_f32_scratch(size_t n_queries, size_t n_keys, size_t head_width) {
    size_t rows = n_queries < TALLEST_TILE ? n_queries : TALLEST_TILE;
    return round_up(n_keys, WIDEST_PANEL) * head_width +
           round_up(head_width, WIDEST_PANEL) * n_keys + rows * n_keys + ALIGNMENT;
}

/* Panels of keys and of values with their scales, and a tile's queries, scores and weights; two
 * integers in the room of a float. */
size_t attention_s16_scratch(size_t n_queries, size_t n_keys, size_t head_width) {
    enum { AREAS = 7 };
    size_t rows = n_queries < TALLEST_TILE ? n_queries : TALLEST_TILE;
    size_t row = s16_row(head_width), ld = round_up(n_keys, WIDEST_BLOCK);
    size_t key_columns = round_up(n_keys, WIDEST_PANEL);
    size_t columns = round_up(head_width, WIDEST_PANEL);
    return key_columns * row / 2 + key_columns + columns * ld / 2 + columns + rows * row / 2 +
           rows * ld + rows * ld / 2 + AREAS * ALIGNMENT;
}
