/* tasks/inputs/inputs_state.h: what inputs.c opens and inputs_sequence.c walks through. */
#ifndef KEN_TASKS_INPUTS_STATE_H
#define KEN_TASKS_INPUTS_STATE_H

#include "base/hash.h"
#include "tasks/inputs/id_set.h"
#include "tasks/inputs/inputs.h"
#include "tasks/inputs/source_list.h"
#include "tasks/inputs/stream.h"

struct inputs {
    source_list sources;
    stream_options stream_options;
    table_column *extra_columns;
    input_extra *extra;
    bool texts, captions;
    uint64_t limit, shard_index, shard_count;
    uint64_t n_items; /* before limit and shards; 0 while unknown */
    bool countable, from_streams;
    char fingerprint[HASH_XXH128_HEX];
    char note[160];

    size_t source; /* in hand, or the next one */
    stream *stream;
    uint64_t n_seen, n_given;
    id_set ids; /* of streams and what stands before them: their ids are not known beforehand */
    arena scratch;
    buf shown, id;
};

/* Opens a tar or table source. */
KEN_MUST_CHECK ken_status inputs_open_stream(const inputs *in, const source *item, stream **out,
                                             ken_error *err);

#endif
