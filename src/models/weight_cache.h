/* models/weight_cache.h: packed layers kept from one start to the next; docs/cache.md.
 *
 * Each tower of a model has one file in the cache, named by all that its bytes depend on: the
 * weights' digest, the configuration, the CPU tier, the precision, and what packing gives for a
 * small known matrix, so that a kernel whose layout changes finds no old file. Layers are used
 * where the file is mapped. Whatever goes wrong, the layers are packed as if there were no cache,
 * and a notice says why. */
#ifndef KEN_MODELS_WEIGHT_CACHE_H
#define KEN_MODELS_WEIGHT_CACHE_H

#include "base/cache.h"
#include "models/reader.h"

typedef struct weight_cache weight_cache;

/* NULL, and perhaps a notice, when the options name no folder or it cannot be used. The options'
 * notice function and the model are kept. */
weight_cache *weight_cache_new(const ken_model *model, const ken_model_options *options);
/* Unmaps the towers. */
void weight_cache_free(weight_cache *w);

/* The model's files are open: begins to find out their digest, on a thread of its own when that
 * takes long. `config_hash` is of the configuration's text. */
void weight_cache_begin(weight_cache *w, const char *config_hash);
const blob_store *weight_cache_store(const weight_cache *w);
/* The model is there: writes what had to be packed. */
void weight_cache_finish(weight_cache *w);

/* model_recall and model_remember; they find out the weights' digest. */
bool weight_cache_recall(const weight_cache *w, const char *question,
                         char answer[CACHE_FACT_BYTES]);
void weight_cache_remember(const weight_cache *w, const char *question, const char *answer);

/* model_map_kept and model_keep. */
bool weight_cache_map(const weight_cache *w, const char *what, file_map *out);
void weight_cache_keep(const weight_cache *w, const char *what, const cache_piece *pieces,
                       size_t n_pieces);

/* The folder, for the facts of others; NULL without a cache. */
const cache *weight_cache_folder(const weight_cache *w);

#endif
