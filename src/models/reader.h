/* models/reader.h: reading a checkpoint's tensors into layers.
 *
 * Everything read lives in the model's arena. A tensor must have exactly the shape asked for, be
 * F32, F16 or BF16, and hold only finite numbers; what is wrong is said with the tensor's name.
 * Tensors that nothing asks for are ignored. */
#ifndef KEN_MODELS_READER_H
#define KEN_MODELS_READER_H

#include "formats/weights.h"
#include "tensor/linear.h"
#include "tensor/norm.h"

/* Where packed numbers are kept between two starts: a layer's blob (tensor/linear.h), or a vector
 * that was computed from weights. Names are unique in a model and come in a fixed order. */
typedef struct blob_store {
    /* The names that follow are of the tower "vision" or "text". */
    void (*begin)(void *context, const char *tower);
    /* `bytes` bytes, 64-byte aligned, that live as long as the model; NULL: not there. */
    const void *(*take)(void *context, const char *name, size_t bytes);
    /* What was not there, or not all that goes with it, has been made. The blob stays the model's.
     */
    void (*made)(void *context, const char *name, const void *blob, size_t bytes);
    void *context;
} blob_store;

typedef enum tower_kind { TOWER_VISION, TOWER_TEXT, TOWER_KINDS } tower_kind;
/* "vision", "text" */
const char *tower_name(tower_kind tower);

/* The linear layers of a tower, in the order in which they are read. */
typedef struct layer_list {
    linear **layers;
    const char **names; /* as in r->blobs */
    size_t n, capacity;
} layer_list;

/* KEN_PRECISION_AUTO: which layers of a tower are computed in s16: a character for each in order,
 * LAYER_S16 or LAYER_INT8; those past its end, LAYER_INT8. */
enum { LAYER_S16 = 's', LAYER_INT8 = 'i' };
typedef ken_status plan_fn(void *context, tower_kind tower, const char **plan, ken_error *err);

typedef struct reader {
    const weights *weights;
    const kernels *kernels;
    ken_precision precision; /* of the linear layers */
    plan_fn *make_plan;      /* KEN_PRECISION_AUTO */
    void *plan_context;
    const char *plan; /* of the tower that is being read */
    layer_list *list; /* of this tower: one of `towers` */
    layer_list towers[TOWER_KINDS];
    const blob_store *blobs; /* NULL: every layer is packed here */
    arena *memory;
    uint64_t n_parameters; /* elements of the parameters read so far */
    float *scratch;        /* for weights on their way to being packed */
    size_t scratch_floats;
} reader;

/* Long enough for any name made of the architectures' fixed parts and layer numbers. */
enum { TENSOR_NAME_BYTES = 192 };
typedef struct tensor_name {
    char text[TENSOR_NAME_BYTES];
} tensor_name;
/* "prefix" + "suffix" */
tensor_name tensor_name_join(const char *prefix, const char *suffix);
/* "prefix.index." */
tensor_name tensor_name_index(const char *prefix, size_t index);

/* Frees the scratch; the layers stay. */
void reader_end(reader *r);
bool reader_has(const reader *r, const char *name);
/* What is read from here on belongs to this tower. */
KEN_MUST_CHECK ken_status reader_begin_tower(reader *r, tower_kind tower, ken_error *err);

/* The tensor itself, checked but not copied: for tables too big to convert. */
KEN_MUST_CHECK ken_status reader_tensor(reader *r, const char *name, int rank, const int64_t *shape,
                                        const tensor **out, ken_error *err);
/* Converts into `out`, which holds the tensor's elements. With NULL the tensor's name, shape and
 * type are checked, and its numbers are left alone: what was made of them came from r->blobs. */
KEN_MUST_CHECK ken_status reader_floats_into(reader *r, const char *name, int rank,
                                             const int64_t *shape, float *out, ken_error *err);
KEN_MUST_CHECK ken_status reader_vector(reader *r, const char *name, size_t n, const float **out,
                                        ken_error *err);
/* A number stored as [] or [1]. */
KEN_MUST_CHECK ken_status reader_scalar(reader *r, const char *name, float *out, ken_error *err);
/* At least `n` floats, valid until the next call; NULL and the error's reason without memory. */
KEN_MUST_CHECK ken_status reader_scratch(reader *r, size_t n, float **out, ken_error *err);

/* ---- layers ---- */

/* A linear layer; `name` stands for it in r->blobs. In int8 a `small` one stays in s16: it costs
 * next to nothing, and stands where its error would go undamped into the embedding. */
typedef struct layer {
    const char *name;
    size_t n_out, n_in;
    bool bias, small;
} layer;
/* The layer out of r->blobs; false when it has to be packed. */
bool reader_take(reader *r, const layer *shape, linear *out);
/* Packs `w` [n_out, n_in] and `bias` [n_out]. */
KEN_MUST_CHECK ken_status reader_pack(reader *r, const layer *shape, const float *w,
                                      const float *bias, linear *out, ken_error *err);
/* The same for `n` floats that were computed from weights; NULL when they have to be made. */
const float *reader_take_vector(reader *r, const char *name, size_t n);
void reader_made_vector(reader *r, const char *name, const float *values, size_t n);

KEN_MUST_CHECK ken_status reader_layer_norm(reader *r, const char *prefix, size_t width, float eps,
                                            layer_norm *out, ken_error *err);
/* "PREFIX.weight" [n_out, n_in] and, with `bias`, "PREFIX.bias" [n_out]. */
KEN_MUST_CHECK ken_status reader_linear(reader *r, const char *prefix, size_t n_out, size_t n_in,
                                        bool bias, linear *out, ken_error *err);
/* The same for a tower's last layer. */
KEN_MUST_CHECK ken_status reader_last_linear(reader *r, const char *prefix, size_t n_out,
                                             size_t n_in, bool bias, linear *out, ken_error *err);
/* Likewise a tower's last: `name` [n_in, n_out], used as x @ name: packed transposed, without bias.
 */
KEN_MUST_CHECK ken_status reader_projection(reader *r, const char *name, size_t n_in, size_t n_out,
                                            linear *out, ken_error *err);
/* "PREFIX.weight" [n_out, channels, size, size] as a linear layer over patches in (channel, y, x)
 * order. */
KEN_MUST_CHECK ken_status reader_patch_conv(reader *r, const char *prefix, size_t n_out,
                                            size_t channels, size_t size, bool bias, linear *out,
                                            ken_error *err);

#endif
