/* ken.h: images and text in one space.
 *
 *     ken_model *model;
 *     ken_session *session;
 *     ken_error err;
 *     if (ken_model_load("clip-vit-base-patch32", NULL, &model, &err)) ...
 *     if (ken_session_new(model, NULL, &session, &err)) ...
 *     float a[512], b[512];
 *     ken_session_encode_file(session, "dog.jpg", a, &err);
 *     ken_session_encode_text(session, "a photo of a dog", b, NULL, &err);
 *     float cosine = ken_dot(a, b, 512);
 *     ken_session_free(session);
 *     ken_model_free(model);
 *
 * Ownership, in five sentences. Arguments are borrowed for the call. What `open`, `new` and `load`
 * return is yours to `close` or `free`, which take NULL. A const pointer that you receive belongs
 * to the object named and dies with it. Results go into memory that you give; ask its size with
 * NULL. An all-zero options struct, or NULL, means defaults.
 *
 * Threads: a model is immutable and may be shared by threads; a session belongs to one thread at a
 * time. The library never prints, exits, aborts or reads the environment.
 *
 * Shapes are written with the letters of docs/shapes.md: B batch, T tokens, E embedding width.
 */
#ifndef KEN_H
#define KEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define KEN_API               __attribute__((visibility("default")))
#define KEN_MUST_CHECK        __attribute__((warn_unused_result))
#define KEN_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define KEN_API
#define KEN_MUST_CHECK
#define KEN_PRINTF(fmt, args)
#endif

/* ---- errors ---------------------------------------------------------------------------------- */

/* What a call came to. The numbers are stable; `ken_status_exit_code` maps them to the program's
 * documented exit codes. */
typedef enum ken_status {
    KEN_OK = 0,
    KEN_BAD_ARGUMENT = 1, /* the caller asked for something impossible */
    KEN_NOT_FOUND = 2,    /* an input is missing */
    KEN_IO = 3,           /* reading or writing failed; resumable */
    KEN_BAD_FORMAT = 4,   /* a file's bytes are not what they should be */
    KEN_UNSUPPORTED = 5,  /* well formed, but not something ken can do */
    KEN_TOO_LARGE = 6,    /* beyond a stated limit */
    KEN_NO_MEMORY = 7,
    KEN_CANCELLED = 8,      /* interrupted; resumable */
    KEN_UNAVAILABLE = 9,    /* a service or library is not there */
    KEN_INTERNAL = 10,      /* a defect in ken */
    KEN_REFUSED = 11,       /* refused by policy, such as a path that leaves the model directory */
    KEN_CANNOT_CREATE = 12, /* the output cannot be created */
} ken_status;

/* The reason of a failure. `message` is lower case, without a full stop, what failed first, names
 * in single quotes; `hint` is something to do, or empty. `offset` is the byte where a file went
 * wrong, or -1. Always valid to read after a call that returned other than KEN_OK and was given it.
 */
typedef struct ken_error {
    ken_status status;
    int64_t offset;
    char message[768];
    char hint[320];
} ken_error;

/* Stable lower-case name, such as "bad_format". Never NULL. */
KEN_API const char *ken_status_name(ken_status status);
/* The exit code that the program documents for a status: 0, 2, 65, 66, 69, 70, 73, 74, 75 or 77. */
KEN_API int ken_status_exit_code(ken_status status);

/* ---- version --------------------------------------------------------------------------------- */

KEN_API const char *ken_version(void); /* "0.1.0" */

/* ---- threads --------------------------------------------------------------------------------- */

/* A fixed set of worker threads. One call at a time may use a pool; give each session its own, or
 * none. Workers sleep, without spinning, when no call is running. */
typedef struct ken_pool ken_pool;
/* `n_threads` counts the calling thread: 1 makes no worker. 0 means the CPUs this process may use.
 */
KEN_API KEN_MUST_CHECK ken_status ken_pool_new(int n_threads, ken_pool **out, ken_error *err);
KEN_API void ken_pool_free(ken_pool *pool);
KEN_API int ken_pool_threads(const ken_pool *pool); /* NULL counts as 1 */

/* ---- models ---------------------------------------------------------------------------------- */

/* The arithmetic of the linear layers and convolutions. S16 takes half of the memory and about half
 * of the time of F32: activations and weights become 16-bit integers whose sums are exact. Its
 * embeddings have a cosine of at least 0.99999 to those of F32. INT8 takes half of the memory and
 * about half of the time of S16; what that costs depends on the weights. AUTO finds out: it keeps
 * S16 for as many layers as it takes for a cosine of at least 0.999 to F32 on built-in pictures and
 * texts. Finding out takes some dozen embeddings, and is done once where there is a cache. */
typedef enum ken_precision {
    KEN_PRECISION_DEFAULT = 0, /* S16 */
    KEN_PRECISION_F32 = 1,
    KEN_PRECISION_S16 = 2,
    KEN_PRECISION_INT8 = 3,
    KEN_PRECISION_AUTO = 4,
} ken_precision;
/* "f32", "s16", "int8", "auto". Never NULL. */
KEN_API const char *ken_precision_name(ken_precision precision);

typedef struct ken_model ken_model;

/* Something that happened and stopped nothing: a line without its end. `warning` is true when a
 * person should know, such as a damaged file in the cache; else it is a detail. */
typedef void ken_notice_fn(void *context, bool warning, const char *text);

typedef struct ken_model_options {
    const char *cpu_tier; /* NULL: the best that runs here; else "scalar", "avx2", ... */
    ken_precision precision;
    bool vision_only;           /* do not load the text tower */
    bool text_only;             /* do not load the image tower */
    const char *cache_dir;      /* NULL: no cache; else packed weights are kept there */
    uint64_t cache_limit_bytes; /* 0: 8 GiB, or a tenth of what the file system has free */
    ken_notice_fn *notice;      /* may be NULL */
    void *notice_context;
} ken_model_options;

typedef struct ken_model_info {
    const char *id;           /* the directory's name */
    const char *architecture; /* "clip", "siglip", "open_clip" */
    const char *cpu_tier;     /* of the kernels in use */
    ken_precision precision;  /* never DEFAULT */
    const char *weights_file; /* path of the (first) weights file */
    int embedding_width;      /* E */
    int image_size[2];        /* height, width in pixels that the image tower takes */
    int context_length;       /* tokens the text tower takes */
    int vocab_size;
    float logit_scale; /* exp of the stored parameter: multiply cosines by it */
    float logit_bias;  /* 0 unless the model has one */
    bool sigmoid;      /* scores are sigmoid(scale * cosine + bias), not a softmax */
    uint64_t n_parameters;
} ken_model_info;

/* Loads a Hugging Face or OpenCLIP directory unchanged. The files stay mapped until
 * ken_model_free: do not rewrite them meanwhile. */
KEN_API KEN_MUST_CHECK ken_status ken_model_load(const char *dir, const ken_model_options *options,
                                                 ken_model **out, ken_error *err);
KEN_API void ken_model_free(ken_model *model);
KEN_API void ken_model_get_info(const ken_model *model, ken_model_info *out);
/* SHA-256 of the weights, lower-case hex. Reads the whole file at the first call; thread safe. */
KEN_API KEN_MUST_CHECK ken_status ken_model_weights_sha256(const ken_model *model, char out[65],
                                                           ken_error *err);

/* ---- tokens ---------------------------------------------------------------------------------- */

typedef struct ken_token_info {
    int n_tokens;   /* ids written before padding */
    bool truncated; /* the text was longer than the context; begin and end tokens were kept */
} ken_token_info;

/* Writes `context_length` ids, padded as the model's own tokenizer pads. `text` is `size` bytes of
 * UTF-8 (invalid sequences count as U+FFFD). Thread safe. `info` may be NULL. */
KEN_API KEN_MUST_CHECK ken_status ken_model_tokenize(const ken_model *model, const char *text,
                                                     size_t size, int32_t *ids,
                                                     ken_token_info *info, ken_error *err);

/* ---- encoding -------------------------------------------------------------------------------- */

typedef struct ken_session ken_session;

typedef struct ken_session_options {
    int max_batch;  /* images or texts a call may hold; 0 means 16 */
    ken_pool *pool; /* borrowed for the session's life; NULL: the calling thread only */
    /* Of ken_session_encode_file: the decoder shrinks large JPEG files to not less than twice the
     * model's size first. Faster, and other vectors than the exact resize gives. */
    bool fast_resize;
} ken_session_options;

/* Allocates everything that encoding needs; encoding itself allocates nothing (the calls that
 * decode an image file do). */
KEN_API KEN_MUST_CHECK ken_status ken_session_new(const ken_model *model,
                                                  const ken_session_options *options,
                                                  ken_session **out, ken_error *err);
KEN_API void ken_session_free(ken_session *session);

/* `pixels` is [B, H, W, 3] 8-bit RGB, already resized and cropped to the model's image_size;
 * `out` is [B, E], L2-normalised. The result for an image does not depend on its neighbours in the
 * batch, on B, or on the number of threads. Fails when an embedding would not be finite. */
KEN_API KEN_MUST_CHECK ken_status ken_session_encode_pixels(ken_session *session,
                                                            const uint8_t *pixels, int n_images,
                                                            float *out, ken_error *err);
/* `ids` is [B, context_length] as ken_model_tokenize writes them; `out` is [B, E], normalised. */
KEN_API KEN_MUST_CHECK ken_status ken_session_encode_tokens(ken_session *session,
                                                            const int32_t *ids, int n_texts,
                                                            float *out, ken_error *err);
/* Decode, orient, resize and crop as the model's configuration says, then encode one image. */
KEN_API KEN_MUST_CHECK ken_status ken_session_encode_file(ken_session *session, const char *path,
                                                          float *out, ken_error *err);
/* Tokenize and encode one NUL-terminated text. */
KEN_API KEN_MUST_CHECK ken_status ken_session_encode_text(ken_session *session, const char *text,
                                                          float *out, ken_token_info *info,
                                                          ken_error *err);

/* Inner product of two vectors of `n` floats. */
KEN_API float ken_dot(const float *a, const float *b, size_t n);

#ifdef __cplusplus
}
#endif
#endif
