/* tasks/report/thumbnails.h: small JPEG pictures of the samples, decoded in sandboxed processes.
 *
 * Two steps, because processes must be forked before threads exist: thumbnailer_new at the start of
 * a program, thumbnails_make when it is known which pictures are wanted. */
#ifndef KEN_TASKS_THUMBNAILS_H
#define KEN_TASKS_THUMBNAILS_H

#include "tasks/pipeline/decode_pool.h"

typedef struct thumbnailer thumbnailer;

KEN_MUST_CHECK ken_status thumbnailer_new(int n_workers, const image_limits *limits,
                                          bool no_sandbox, const volatile sig_atomic_t *stop,
                                          thumbnailer **out, ken_error *err);
void thumbnailer_free(thumbnailer *t);

/* bytes NULL: there is no picture; that is never an error. */
typedef struct thumbnail {
    uint8_t *bytes; /* JPEG, or pixels */
    size_t size;
    int width, height;
    int full_width, full_height; /* of the picture in the file; 0: unknown */
} thumbnail;

typedef struct thumbnail_request {
    const char *const *paths; /* [n] as in an id or path column: escaped (base/utf8.h) */
    size_t n;
    int longest_side; /* pixels, at most THUMBNAIL_MAX_SIDE; pictures are never enlarged */
    bool pixels;      /* [height, width, 3] RGB instead of JPEG; THUMBNAIL_MAX_PIXELS a side */
    void (*progress)(void *context, size_t n_done, size_t n_total);
    void *progress_context;
} thumbnail_request;

enum { THUMBNAIL_MAX_SIDE = 256, THUMBNAIL_MAX_PIXELS = 240 };

/* Fills out[n], zeroed before, which thumbnails_free frees. A picture that cannot be had stays
 * empty. Fails only when stopped, or when the processes are gone. */
KEN_MUST_CHECK ken_status thumbnails_make(thumbnailer *t, const thumbnail_request *request,
                                          thumbnail *out, ken_error *err);
void thumbnails_free(thumbnail *thumbnails, size_t n);

#endif
