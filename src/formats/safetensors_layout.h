/* formats/safetensors_layout.h: the rules that hold between the entries of a header. */
#ifndef KEN_FORMATS_SAFETENSORS_LAYOUT_H
#define KEN_FORMATS_SAFETENSORS_LAYOUT_H

#include "formats/safetensors.h"

/* The tensors cover the data exactly: no hole, no overlap, no byte behind the last. */
KEN_MUST_CHECK ken_status safetensors_check_layout(const safetensors *s, const uint8_t *data,
                                                   size_t data_bytes, const char *path,
                                                   ken_error *err);
/* Makes by_name; refuses a name that is there twice (the reference takes the last one). */
KEN_MUST_CHECK ken_status safetensors_index_names(safetensors *s, const char *path, ken_error *err);
/* Refuses a metadata key that is there twice. */
KEN_MUST_CHECK ken_status safetensors_check_metadata(const safetensors *s, const char *path,
                                                     ken_error *err);

#endif
