/* tasks/bench/bench.h: how many images and texts a second a model encodes on this machine.
 *
 * Pictures are random pixels of the model's size and texts one short sentence, both made here:
 * decoding and disks are not measured. A rate is the median of rounds, so that a busy moment of the
 * machine does not spoil it. */
#ifndef KEN_TASKS_BENCH_H
#define KEN_TASKS_BENCH_H

#include "ken.h"

#include <signal.h>

typedef struct bench_options {
    int max_batch;                       /* measured beside a batch of one; 0: 16 */
    int n_threads;                       /* measured beside one thread; at least 1 */
    double seconds;                      /* for each row; 0: 1 */
    const volatile sig_atomic_t *cancel; /* may be NULL; not 0: ends with KEN_CANCELLED */
} bench_options;

typedef struct bench_row {
    bool texts; /* or images */
    int batch, n_threads;
    int n_tokens;      /* of each text */
    double per_second; /* images or texts */
} bench_row;

/* Two towers, two batch sizes, two numbers of threads. */
enum { BENCH_MAX_ROWS = 8 };

/* Measures the towers that the model was loaded with. */
KEN_MUST_CHECK ken_status bench_run(const ken_model *model, const bench_options *options,
                                    bench_row rows[BENCH_MAX_ROWS], int *n_rows, ken_error *err);

#endif
