/* bench/core_probe.h: what the core gives at the moment, for a kernel to be compared with. */
#ifndef KEN_BENCH_CORE_PROBE_H
#define KEN_BENCH_CORE_PROBE_H

/* The arithmetic that a product is made of. */
typedef enum arithmetic { ARITHMETIC_F32, ARITHMETIC_S16, ARITHMETIC_U8, N_ARITHMETICS } arithmetic;

/* In 10^9 a second by the wall clock: no probe looks faster than it was. */
typedef struct probe {
    double peak;  /* operations (a multiply-add is two) in chains of the very instructions that the
                     tier's products use, with operands in registers; 0 where we have no such loop */
    double issue; /* no-operations */
} probe;

probe probe_core(const char *tier, arithmetic what);

probe worse_probe(probe a, probe b);
probe better_probe(probe a, probe b);

#endif
