/* tasks/bench/machine.h: what this machine gives an encoder, measured in about a second without any
 * model: memory bandwidth, and from the products of one transformer block the images a second that
 * ViT-B/32 may reach. */
#ifndef KEN_TASKS_MACHINE_H
#define KEN_TASKS_MACHINE_H

#include "ken.h"
#include "kernels/kernels.h"

enum { MACHINE_PRECISIONS = 3 }; /* f32, s16, int8 */

/* On one thread, and on all that were asked for. */
typedef struct machine_rates {
    double one, all;
} machine_rates;

typedef struct machine_speed {
    int n_threads;
    machine_rates read_gb_per_second; /* 10^9 bytes, from memory */
    struct {
        ken_precision precision;
        machine_rates images_per_second; /* an estimate; batches of 16 */
    } vit_b_32[MACHINE_PRECISIONS];
} machine_speed;

KEN_MUST_CHECK ken_status machine_measure(const kernels *k, int n_threads, machine_speed *out,
                                          ken_error *err);

#endif
