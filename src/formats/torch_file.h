/* formats/torch_file.h: a state dict that torch.save wrote (PyTorch 1.6 and later): a zip archive
 * of a pickle, NAME/data.pkl, and the tensors' bytes, NAME/data/KEY.
 *
 * The pickle is a program, and running it would let the file do anything. Here it is read by a
 * machine that knows dictionaries, tuples, numbers, texts and the few names that tensors are made
 * of (pickle protocol 2); everything else is refused. Values that are no tensors are passed over.
 */
#ifndef KEN_FORMATS_TORCH_FILE_H
#define KEN_FORMATS_TORCH_FILE_H

#include "formats/zip_index.h"
#include "tensor/tensor.h"

typedef struct torch_tensor {
    const char *name;
    tensor value; /* data points into the mapped file */
} torch_tensor;

typedef struct torch_file {
    zip_index zip;
    arena memory;
    torch_tensor *tensors; /* in the order of the dictionary */
    size_t n_tensors;
} torch_file;

bool torch_file_looks_like(const file_map *file); /* begins as a zip archive does */
/* Reads the dictionary, or the one under its key "state_dict". `path` appears in messages. Reset
 * the file in any case; `map` must outlive it. */
KEN_MUST_CHECK ken_status torch_file_read(const file_map *map, const char *path, torch_file *out,
                                          ken_error *err);
void torch_file_reset(torch_file *f);
const tensor *torch_file_find(const torch_file *f, const char *name); /* NULL: none */

#endif
