/* models/model.h: what the rest of ken sees of a model beyond ken.h. */
#ifndef KEN_MODELS_MODEL_H
#define KEN_MODELS_MODEL_H

#include "base/buf.h"
#include "base/pool.h"
#include "image/preprocess.h"
#include "kernels/kernels.h"
#include "text/tokenizer.h"

enum { MODEL_ANSWER_BYTES = 4096 };

/* The recipe that the directory's configuration gives. Belongs to the model. */
const preprocess *model_preprocess(const ken_model *model);
const tokenizer *model_tokenizer(const ken_model *model); /* NULL when loaded vision_only */
const kernels *model_kernels(const ken_model *model);
const char *model_dir(const ken_model *model);

/* Bytes that a session of this model takes, for stating memory before it is made. */
size_t session_workspace_bytes(const ken_model *model, int max_batch, int n_threads);

/* Calls `fn` after every layer with its activations, f32; names as docs/models/ gives them, such as
 * "vision.blocks.3". For tests, `ken verify` and debugging; with a trace the exact savings of the
 * last block are still taken, so its activations hold the pooled token's row only where that is so.
 */
typedef void trace_fn(void *context, const char *name, const float *data, int rank,
                      const int64_t *shape);
void session_set_trace(ken_session *session, trace_fn *fn, void *context);

/* [B, 3, H, W] floats, already normalised: what `ken preprocess` writes as .npy. Same result as
 * ken_session_encode_pixels for floats made by preprocess_table. */
KEN_MUST_CHECK ken_status session_encode_floats(ken_session *session, const float *nchw,
                                                int n_images, float *out, ken_error *err);

/* How near the model's embeddings of a few built-in pictures (else texts) are to those in f32; 1
 * in f32. Loads the tower in f32 when nobody has found out before; thread safe. */
KEN_MUST_CHECK ken_status model_cosines(const ken_model *model, bool images, double *min,
                                        double *mean, ken_error *err);
/* Of the linear layers of a tower: how many, and how many of them are computed in int8. */
size_t model_layer_count(const ken_model *model, bool images, size_t *n_int8);
/* KEN_PRECISION_AUTO: the names of the tower's layers that stayed in s16, commas between; else "".
 */
KEN_MUST_CHECK ken_status model_put_s16_layers(const ken_model *model, bool images, buf *out,
                                               ken_error *err);

/* What an earlier start found out about these weights on this CPU tier in this precision, such as
 * the cosine to f32: a short text by the name of the question, kept in the model's cache. False
 * when nobody knows, or there is no cache. */
bool model_recall(const ken_model *model, const char *question, char answer[MODEL_ANSWER_BYTES]);
/* Keeps an answer of less than MODEL_ANSWER_BYTES for the next start, where that is possible. */
void model_remember(const ken_model *model, const char *question, const char *answer);

/* Architectures that can be loaded, for messages and `ken models`; NULL past the last. */
const char *model_architecture_name(size_t index);

#endif
