/* hub/resolve.h: from what a user types after --model to a directory on this machine.
 *
 * A directory path, "local-dir:PATH", or "demo", the demonstration model that comes with ken. Names
 * of remote models are recognised in all the spellings of CLI.md and looked for in the Hugging Face
 * cache ($HF_HOME/hub); downloading is not part of this version, and the error says how to get it.
 */
#ifndef KEN_HUB_RESOLVE_H
#define KEN_HUB_RESOLVE_H

#include "base/buf.h"

/* `hf_cache` may be NULL: $HOME/.cache/huggingface/hub is the caller's to find out. `data_dirs` is
 * the NULL-terminated list of folders in which "models/demo" is looked for. On success *id is the
 * model's id for provenance ("demo", the directory's name, "org/repo") and *revision the snapshot's
 * commit or
 * "". */
typedef struct model_location {
    char *dir;
    char *id;
    char *revision;
} model_location;
KEN_MUST_CHECK ken_status model_resolve(const char *spec, const char *hf_cache,
                                        const char *const *data_dirs, model_location *out,
                                        ken_error *err);
void model_location_free(model_location *location);

#endif
