/* From a picture to the pixels of the image tower: conversion, resize and crop in the order of the
 * layout; JPEG files strip by strip where that gives the same. */
#include "image/preprocess.h"

#include "base/mem.h"
#include "base/sys.h"
#include "image/convert.h"
#include "image/jpeg_stream.h"
#include "image/plan.h"
#include "image/resample.h"

#include <string.h>

size_t preprocess_size(const preprocess *p) {
    return (size_t)p->crop_size[0] * (size_t)p->crop_size[1] * 3;
}

/* Resizes and crops in the mode of `in`; `out` has the size of the result and holds the padding. */
static ken_status resize_into(const kernels *k, const image *in, const resize_plan *plan,
                              image *out, ken_error *err) {
    uint8_t *to =
        out->pixels + (size_t)plan->top * out->stride + (size_t)plan->left * (size_t)out->channels;
    return resample(k, in, plan->filter, plan->width, plan->height, plan->w, to, out->stride, err);
}

/* Converts to RGB first; the padding is black. */
static ken_status rgb_first(const preprocess *p, const kernels *k, const image *in,
                            const resize_plan *plan, uint8_t *out, ken_error *err) {
    image result = {.width = p->crop_size[1],
                    .height = p->crop_size[0],
                    .channels = 3,
                    .mode = IMAGE_RGB,
                    .stride = (size_t)p->crop_size[1] * 3,
                    .pixels = out};
    memset(out, plan_padding(p), preprocess_size(p));
    bool composite = p->alpha == ALPHA_COMPOSITE && convert_has_alpha(in);
    if (in->mode == IMAGE_RGB && !composite)
        return resize_into(k, in, plan, &result, err);
    image rgb;
    ken_status status = image_alloc(&rgb, IMAGE_RGB, in->width, in->height, err);
    if (status == KEN_OK) {
        if (composite)
            convert_composite(in, p->background, rgb.pixels);
        else
            convert_to_rgb(in, rgb.pixels);
        status = resize_into(k, &rgb, plan, &result, err);
    }
    image_free(&rgb);
    return status;
}

/* torchvision pads with 0 or, in the longest mode, with the fill value in every channel. */
static ken_status rgb_last(const preprocess *p, const kernels *k, const image *in,
                           const resize_plan *plan, uint8_t *out, ken_error *err) {
    image result;
    ken_status status = image_alloc(&result, in->mode, p->crop_size[1], p->crop_size[0], err);
    if (status == KEN_OK) {
        int padding = plan_padding(p), fill = in->mode == IMAGE_1 && padding ? 255 : padding;
        memset(result.pixels, fill, result.stride * (size_t)result.height);
        status = resize_into(k, in, plan, &result, err);
    }
    if (status == KEN_OK) {
        result.palette = in->palette;
        convert_to_rgb(&result, out);
        result.palette = NULL;
    }
    image_free(&result);
    return status;
}

ken_status preprocess_image(const preprocess *p, const kernels *k, const image *in, uint8_t *out,
                            ken_error *err) {
    resize_plan plan;
    TRY(plan_resize(p, in->width, in->height, &plan, err));
    bool last = p->layout == PREPROCESS_OPEN_CLIP && p->alpha == ALPHA_LAYOUT;
    return last ? rgb_last(p, k, in, &plan, out, err) : rgb_first(p, k, in, &plan, out, err);
}

/* Decodes the whole picture first. */
static ken_status preprocess_whole(const preprocess *p, const kernels *k, const uint8_t *bytes,
                                   size_t size, const image_limits *limits, uint8_t *out,
                                   image_facts *facts, image_stage *stage, ken_error *err) {
    image img;
    TRY(image_decode(bytes, size, limits, &img, facts, stage, err));
    *stage = IMAGE_STAGE_RESIZE;
    double since = sys_seconds();
    ken_status status = preprocess_image(p, k, &img, out, err);
    facts->resize_seconds = sys_seconds() - since;
    image_free(&img);
    return status;
}

ken_status preprocess_bytes(const preprocess *p, const kernels *k, const uint8_t *bytes,
                            size_t size, const image_limits *limits, uint8_t *out,
                            image_facts *facts, image_stage *stage, ken_error *err) {
    image_facts own_facts;
    image_stage own_stage;
    facts = facts ? facts : &own_facts;
    stage = stage ? stage : &own_stage;
    bool done = false;
    ken_status status = jpeg_stream(p, k, bytes, size, limits, out, facts, &done, err);
    if (done || status != KEN_OK) {
        *stage = IMAGE_STAGE_RESIZE;
        return status;
    }
    return preprocess_whole(p, k, bytes, size, limits, out, facts, stage, err);
}
