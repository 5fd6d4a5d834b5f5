/* tensor/attention.c: one pool item is one head of one sequence. */
#include "tensor/attention.h"

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
    job->exec->kernels->attention_f32(&(attention_f32_args){
        .q = a->q + q0 * a->ldq + column,
        .k = a->k + k0 * a->ldk + column,
        .v = a->v + k0 * a->ldv + column,
        .out = a->out + q0 * a->ldo + column,
        .ldq = a->ldq,
        .ldk = a->ldk,
        .ldv = a->ldv,
        .ldo = a->ldo,
        .n_queries = a->q_begin[s + 1] - q0,
        .n_keys = a->k_begin[s + 1] - k0,
        .head_width = a->head_width,
        .causal = a->causal,
        .scratch = exec_scratch(job->exec, thread),
    });
}

void attention_run(const exec *e, const attention_args *args) {
    attention_job job = {e, args};
    pool_run(e->pool, run_item, &job, args->n_sequences * args->heads);
}
