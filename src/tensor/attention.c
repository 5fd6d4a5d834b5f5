/* tensor/attention.c: one pool item is one head of one sequence. */
#include "tensor/attention.h"

size_t attention_scratch(size_t n_queries, size_t n_keys, size_t head_width) {
    size_t f32 = attention_f32_scratch(n_queries, n_keys, head_width);
    size_t s16 = attention_s16_scratch(n_queries, n_keys, head_width);
    return f32 > s16 ? f32 : s16;
}

/* One query would not repay the packing of all keys and values in another form. */
static bool is_in_integers(const attention_args *a, size_t n_queries, size_t n_keys) {
    return (a->precision == KEN_PRECISION_S16 || a->precision == KEN_PRECISION_INT8) &&
           n_queries > 1 && n_keys <= GEMM_S16_MAX_K && a->head_width <= GEMM_S16_MAX_K;
}

typedef struct attention_job {
    const exec *exec;
    const attention_args *args;
} attention_job;

static void run_item(void *context, size_t item, int thread) {
    const attention_job *job = context;
    const attention_args *a = job->args;
    size_t s = item / a->heads;
    size_t column = item % a->heads * a->head_width;
    size_t q0 = a->q_begin[s], k0 = a->k_begin[s];
    size_t n_queries = a->q_begin[s + 1] - q0, n_keys = a->k_begin[s + 1] - k0;
    const kernels *k = job->exec->kernels;
    attention_f32_args head = {
        .q = a->q + q0 * a->ldq + column,
        .k = a->k + k0 * a->ldk + column,
        .v = a->v + k0 * a->ldv + column,
        .out = a->out + q0 * a->ldo + column,
        .ldq = a->ldq,
        .ldk = a->ldk,
        .ldv = a->ldv,
        .ldo = a->ldo,
        .n_queries = n_queries,
        .n_keys = n_keys,
        .head_width = a->head_width,
        .causal = a->causal,
        .scratch = exec_scratch(job->exec, thread),
    };
    if (is_in_integers(a, n_queries, n_keys))
        k->attention_s16(&head);
    else
        k->attention_f32(&head);
}

void attention_run(const exec *e, const attention_args *args) {
    attention_job job = {e, args};
    pool_run(e->pool, run_item, &job, args->n_sequences * args->heads);
}
