/* formats/weights.h: the named tensors of a model directory, mapped from safetensors files.
 *
 * One file, or shards named by an index ("weight_map"). Every rule of the safetensors format is
 * checked before anything is allocated from what the file says: see docs/internals/formats.md.
 * Views point into the mapping and die with the weights. Immutable, shared by threads. */
#ifndef KEN_FORMATS_WEIGHTS_H
#define KEN_FORMATS_WEIGHTS_H

#include "base/file.h"
#include "tensor/tensor.h"

typedef struct weights weights;

/* Opens DIR/<name>.safetensors or DIR/<name>.safetensors.index.json for the first of the
 * NULL-terminated `names` that is there ("model", "open_clip_model"). A directory that holds only
 * pickled or ONNX weights is refused with what to do instead. */
KEN_MUST_CHECK ken_status weights_open(const char *dir, const char *const *names, weights **out,
                                       ken_error *err);
/* One safetensors file. */
KEN_MUST_CHECK ken_status weights_open_file(const char *path, weights **out, ken_error *err);
void weights_close(weights *w);

size_t weights_count(const weights *w);
/* In file order. */
const char *weights_name(const weights *w, size_t index);
const tensor *weights_at(const weights *w, size_t index);
/* NULL when there is none. */
const tensor *weights_find(const weights *w, const char *name);
/* The tensor, which must have exactly this shape; the error names the tensor, the expected shape
 * and what was found, and the nearest name when it is missing. */
KEN_MUST_CHECK ken_status weights_get(const weights *w, const char *name, int rank,
                                      const int64_t *shape, const tensor **out, ken_error *err);
/* A value of the header's __metadata__, or NULL. */
const char *weights_metadata(const weights *w, const char *key);

/* Path of the (first) file. */
const char *weights_path(const weights *w);
typedef struct weights_file {
    const char *name; /* as the index writes it; NULL when there is no index */
    const char *path;
    const file_map *map;
} weights_file;
/* In name order. */
size_t weights_n_files(const weights *w);
weights_file weights_file_at(const weights *w, size_t index);

#endif
