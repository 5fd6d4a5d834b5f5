/* models/patch_conv.c: folding at load, patches at run. */
#include "models/patch_conv.h"

#include "tensor/linear_rows.h"

#include <math.h>
#include <string.h>

/* A row of K bytes has a norm of at most 255 sqrt(K), a column of a packed weight hardly more than
 * 46000: with that many their product cannot leave 32 bits. */
enum { raw_max_k = 32000 };

/* ---- reading ---- */

/* The value that stands for 0, of a mean channel. */
static int grey_of(const patch_conv_config *c) {
    double sum = 0;
    for (int i = 0; i < 3; i++)
        sum += -c->offset[i] / c->gain[i];
    return (int)lround(fmin(255, fmax(0, sum / 3)));
}

static bool can_be_raw(const patch_conv_config *c, ken_precision precision, size_t k) {
    return precision != KEN_PRECISION_F32 && k <= raw_max_k && c->gain[0] > 0 && c->gain[1] > 0 &&
           c->gain[2] > 0;
}

/* From w [D, channel, y, x] to `folded` [D, y, x, channel]; the bias changes in place. */
static void fold_pixels(const patch_conv *p, const float *w, float *folded, float *bias) {
    const patch_conv_config *config = &p->config;
    size_t area = config->patch_size * config->patch_size;
    for (size_t o = 0; o < config->width; o++, folded += 3 * area) {
        double sum = bias[o];
        for (size_t c = 0; c < 3; c++)
            for (size_t i = 0; i < area; i++, w++) {
                folded[i * 3 + c] = (float)(*w * config->gain[c]);
                sum += *w * (config->offset[c] + p->zero * config->gain[c]);
            }
        bias[o] = (float)sum;
    }
}

/* Both tensors; with NULLs they are looked for, and not read. */
static ken_status read_tensors(reader *r, const char *prefix, const patch_conv_config *c, float *w,
                               float *bias, ken_error *err) {
    int64_t size = (int64_t)c->patch_size, shape[] = {(int64_t)c->width, 3, size, size};
    if (c->bias)
        TRY(reader_floats_into(r, tensor_name_join(prefix, ".bias").text, 1, shape, bias, err));
    return reader_floats_into(r, tensor_name_join(prefix, ".weight").text, 4, shape, w, err);
}

static ken_status read_raw(reader *r, const char *prefix, patch_conv *p, ken_error *err) {
    size_t d = p->config.width, k = 3 * p->config.patch_size * p->config.patch_size;
    layer folded = {.name = prefix, .n_out = d, .n_in = k, .bias = true};
    uint64_t n_parameters = r->n_parameters;
    /* Before there is room for what a configuration asks for, a file must have it. */
    TRY(read_tensors(r, prefix, &p->config, NULL, NULL, err));
    if (reader_take(r, &folded, &p->conv))
        return KEN_OK;
    r->n_parameters = n_parameters; /* they are counted again */
    float *w = NULL;
    TRY(reader_scratch(r, d * (2 * k + 1), &w, err));
    float *folded_w = w + d * k, *bias = folded_w + d * k;
    memset(bias, 0, d * sizeof *bias);
    TRY(read_tensors(r, prefix, &p->config, w, bias, err));
    fold_pixels(p, w, folded_w, bias);
    return reader_pack(r, &folded, folded_w, bias, &p->conv, err);
}

ken_status patch_conv_read(reader *r, const char *prefix, const patch_conv_config *config,
                           patch_conv *out, ken_error *err) {
    size_t size = config->patch_size, k = 3 * size * size;
    out->config = *config;
    out->n_patches = config->image_size[0] / size * (config->image_size[1] / size);
    out->raw = can_be_raw(config, r->precision, k);
    if (!out->raw)
        return reader_patch_conv(r, prefix, config->width, 3, size, config->bias, &out->conv, err);
    out->zero = grey_of(config);
    return read_raw(r, prefix, out, err);
}

/* ---- running ---- */

typedef struct patch_job {
    const exec *exec;
    const patch_conv *conv;
    const pictures *in;
    float *patches;
    linear_rows rows; /* of all pictures; in integers */
} patch_job;

/* One picture [3, H, W], already normalised, to patches in (channel, y, x) order, or in (y, x,
 * channel) order and normalised no more. */
static void floats_to_patches(const patch_conv *p, const float *nchw, float *patches) {
    const patch_conv_config *c = &p->config;
    size_t size = c->patch_size, area = size * size, width = c->image_size[1];
    size_t columns = width / size;
    for (size_t i = 0; i < p->n_patches * 3 * area; i++) {
        size_t patch = i / (3 * area), channel = i / area % 3, y = i % area / size, x = i % size;
        size_t from_y = patch / columns * size + y, from_x = patch % columns * size + x;
        float value = nchw[(channel * c->image_size[0] + from_y) * width + from_x];
        if (p->raw)
            patches[patch * 3 * area + (y * size + x) * 3 + channel] =
                (float)((value - c->offset[channel]) / c->gain[channel] - p->zero);
        else
            patches[i] = value;
    }
}

static void pixels_to_rows(const patch_job *job, const pixels_args *pixels, size_t first_row) {
    const patch_conv *p = job->conv;
    const kernels *k = job->exec->kernels;
    linear_rows rows = linear_rows_from(&p->conv, &job->rows, first_row);
    for (size_t i = 0; i < p->n_patches; i++)
        rows.scales[i] = 1.0f;
    if (p->conv.precision == KEN_PRECISION_S16) {
        k->pixels_to_patches_s16(pixels, p->config.patch_size, p->zero, rows.numbers);
        return;
    }
    for (size_t i = 0; i < p->n_patches; i++)
        rows.zeros[i] = p->zero;
    k->pixels_to_patches_u8(pixels, p->config.patch_size, rows.numbers);
}

static void make_patches(void *context, size_t picture, int thread) {
    (void)thread;
    const patch_job *job = context;
    const patch_conv *p = job->conv;
    size_t area = p->config.image_size[0] * p->config.image_size[1];
    float *patches = job->patches + picture * p->n_patches * p->conv.k;
    if (job->in->nchw) {
        floats_to_patches(p, job->in->nchw + picture * 3 * area, patches);
        return;
    }
    pixels_args pixels = {.pixels = job->in->pixels + picture * area * 3,
                          .height = p->config.image_size[0],
                          .width = p->config.image_size[1],
                          .table = job->in->table};
    if (p->raw)
        pixels_to_rows(job, &pixels, picture * p->n_patches);
    else
        job->exec->kernels->pixels_to_patches_f32(&pixels, p->config.patch_size, patches);
}

void patch_conv_run(const exec *e, const patch_conv *p, const pictures *in, size_t batch,
                    float *patches, float *y) {
    patch_job job = {e, p, in, patches, {0}};
    size_t rows = batch * p->n_patches;
    linear_rows_place(&p->conv, rows, e->quantized, &job.rows);
    pool_run(e->pool, make_patches, &job, batch);
    linear_run(e, &p->conv,
               &(linear_args){.x = p->raw && in->pixels ? NULL : patches,
                              .ldx = p->conv.k,
                              .y = y,
                              .ldy = p->config.width,
                              .rows = rows});
}
