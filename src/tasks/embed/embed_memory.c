#include "tasks/embed/embed_memory.h"

#include "formats/table.h"

#include <stdio.h>

static const uint64_t mebibyte = (uint64_t)1 << 20;
/* The program, the C library and libduckdb, as far as they come into memory: 37 MiB measured. */
static const uint64_t program_bytes = (uint64_t)48 << 20;

/* Weights in the precision of the linear layers; the rest of a tower (biases, norms, positions, and
 * pages of the checkpoint that were read) is a small part of that. */
static uint64_t model_size(const ken_model *model) {
    ken_model_info info;
    ken_model_get_info(model, &info);
    uint64_t width = info.precision == KEN_PRECISION_F32    ? 4
                     : info.precision == KEN_PRECISION_INT8 ? 1
                                                            : 2;
    uint64_t bytes = info.n_parameters * width;
    return bytes + bytes / 8 + 16 * mebibyte;
}

embed_memory embed_memory_of(const ken_model *model, const inputs *in, const pipeline_options *o) {
    embed_memory m = {.program_bytes = program_bytes,
                      .model_bytes = model_size(model),
                      .names_bytes = inputs_names_bytes(in),
                      .sizes = pipeline_size(model, in, o)};
    m.writing_bytes = table_writing_bytes(m.sizes.embedding_bytes);
    return m;
}

uint64_t embed_memory_total(const embed_memory *m) {
    const pipeline_sizes *s = &m->sizes;
    return m->program_bytes + m->model_bytes + m->names_bytes + m->writing_bytes +
           (uint64_t)s->n_encoders * s->encoder_bytes + (uint64_t)s->n_feeders * s->feeder_bytes +
           s->n_ring * s->ring_item_bytes;
}

static double mib(uint64_t size_bytes) {
    return (double)size_bytes / (double)mebibyte;
}

void embed_memory_say(const embed_memory *m, const pipeline_options *o) {
    const pipeline_sizes *s = &m->sizes;
    char line[320];
    if (!o->plan)
        return;
    snprintf(line, sizeof line,
             "memory: program %.0f + model %.0f + names %.1f + %d encoders x %.1f + %d readers x "
             "%.1f + %zu items in flight x %.2f + writing %.0f = at most %.0f MiB",
             mib(m->program_bytes), mib(m->model_bytes), mib(m->names_bytes), s->n_encoders,
             mib(s->encoder_bytes), s->n_feeders, mib(s->feeder_bytes), s->n_ring,
             mib(s->ring_item_bytes), mib(m->writing_bytes), mib(embed_memory_total(m)));
    o->plan(o->plan_context, line);
}
