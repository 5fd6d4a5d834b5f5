/* formats/safetensors.h: the header of one safetensors file, checked.
 *
 * The file is 8 bytes of header length (little-endian), a JSON header, and the tensors' bytes
 * without hole or overlap. Everything is checked before it is believed, in time linear in the
 * header and in at most twice its memory; docs/internals/formats.md lists the rules. */
#ifndef KEN_FORMATS_SAFETENSORS_H
#define KEN_FORMATS_SAFETENSORS_H

#include "base/file.h"
#include "formats/index_table.h"
#include "tensor/tensor.h"

enum { SAFETENSORS_MAX_HEADER = 100000000 }; /* bytes; the reference implementation's limit */

typedef struct safetensors_entry {
    tensor value;     /* data points into the file */
    uint32_t name_at; /* in safetensors.text */
    bool is_mapped;   /* an index names this file as the tensor's place; true without an index */
} safetensors_entry;

typedef struct safetensors {
    safetensors_entry *entries; /* in header order */
    size_t n_entries;
    index_table by_name;
    char *text;         /* names, and the metadata */
    size_t metadata_at; /* in text: key NUL value NUL, n_metadata times */
    size_t n_metadata;
} safetensors;

/* `path` appears in messages. On failure `out` is empty. */
KEN_MUST_CHECK ken_status safetensors_parse(const file_map *file, const char *path,
                                            safetensors *out, ken_error *err);
void safetensors_reset(safetensors *s);
const char *safetensors_name(const safetensors *s, size_t index);
/* NULL when there is none. */
safetensors_entry *safetensors_find(const safetensors *s, const char *name);
const char *safetensors_metadata(const safetensors *s, const char *key);

/* What the first bytes of a file say it is when it is no safetensors file ("a zip archive, as
 * torch.save writes it"), or NULL; *hint is something to do. */
const char *safetensors_sniff(const uint8_t *bytes, size_t size, const char **hint);
/* The same by a file's name ("pytorch_model.bin"). */
const char *safetensors_foreign_name(const char *file_name, const char **hint);

/* A name from outside for a message: control characters become '?', and long ones are cut. */
enum { SHOWN_NAME_BYTES = 128 };
const char *shown_name(const char *name, char out[SHOWN_NAME_BYTES]);

#endif
