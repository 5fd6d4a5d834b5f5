/* tasks/pipeline/sizes.c: how many threads and items in flight a run has, and what they take. */
#include "base/sys.h"
#include "tasks/pipeline/pipeline.h"

enum { default_batch = 16, max_batch = 1024 };
/* What a thread takes beside its work: its stack and what malloc keeps for it. */
static const uint64_t thread_bytes = (uint64_t)2 << 20;
/* The names and the caption of an item in flight. */
static const uint64_t item_text_bytes = (uint64_t)16 << 10;

/* 16 keeps the encoder busy; less when the workspaces would take more than a quarter of memory. */
static int choose_batch(const ken_model *model, const pipeline_options *o, int n_threads) {
    if (o->batch > 0)
        return o->batch < max_batch ? o->batch : max_batch;
    int batch = default_batch;
    uint64_t limit = sys_memory_limit() / 4;
    while (limit && batch > 1 &&
           session_workspace_bytes(model, batch, 1) > limit / (uint64_t)n_threads)
        batch /= 2;
    return batch;
}

pipeline_sizes pipeline_size(const ken_model *model, const inputs *in, const pipeline_options *o) {
    ken_model_info info;
    ken_model_get_info(model, &info);
    const preprocess *recipe = o->preprocess ? o->preprocess : model_preprocess(model);
    bool texts = inputs_are_texts(in);
    pipeline_sizes s = {.n_encoders = o->n_threads > 0 ? o->n_threads : sys_cpu_count()};
    s.n_feeders = texts ? 1 : o->n_decoders > 0 ? o->n_decoders : s.n_encoders;
    s.batch = choose_batch(model, o, s.n_encoders);
    s.payload_bytes =
        texts ? (size_t)info.context_length * sizeof(int32_t) : preprocess_size(recipe);
    s.embedding_bytes = (size_t)info.embedding_width * sizeof(float);
    /* Each encoder may hold a batch while another one gathers, and decoders run ahead a little: a
     * slow picture must not stop the others at once. */
    s.n_ring = (size_t)s.batch * (2 * (size_t)s.n_encoders + 1) + 4 * (size_t)s.n_feeders;
    uint64_t total = inputs_total(in);
    if (total && total < s.n_ring)
        s.n_ring = (size_t)total;
    uint64_t item_bytes = s.payload_bytes + s.embedding_bytes;
    s.encoder_bytes =
        session_workspace_bytes(model, s.batch, 1) + (uint64_t)s.batch * item_bytes + thread_bytes;
    s.ring_item_bytes = item_bytes + item_text_bytes;
    s.feeder_bytes = thread_bytes + (texts ? 0 : s.payload_bytes);
    return s;
}
