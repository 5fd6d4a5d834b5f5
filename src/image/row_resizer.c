/* A sliding window of rows between two resampling passes. */
#include "image/row_resizer.h"

#include "base/checked.h"
#include "base/mem.h"

#include <string.h>

/* Rows that fit beyond those that one output needs: as many again, so that moving those that stay
 * costs no more than a row for a row, and at least these. */
enum { MIN_ROOM = 32 };

window row_resizer_source(const row_resizer *r) {
    return (window){r->x.inputs_begin, r->y.inputs_begin, r->x.n_inputs, r->y.n_inputs};
}

static ken_status make_rooms(row_resizer *r, ken_error *err) {
    r->kept_stride = (size_t)(r->y_first ? r->x.n_inputs : r->x.n) * r->channels;
    int most = r->y.n_inputs < (int)r->y.taps_max ? r->y.n_inputs : (int)r->y.taps_max;
    r->capacity = most + (most > MIN_ROOM ? most : MIN_ROOM);
    size_t kept_bytes, line_bytes = r->y_first ? ROW_RESIZER_LINES * r->kept_stride : 0;
    if (!checked_mul(r->kept_stride, (size_t)r->capacity, &kept_bytes))
        return error_set(err, KEN_TOO_LARGE, "picture is too large: %zu bytes a row",
                         r->kept_stride);
    r->kept = mem_alloc(kept_bytes);
    r->lines = r->y_first ? mem_alloc(line_bytes) : NULL;
    if (!r->kept || (r->y_first && !r->lines))
        return error_no_memory(err, kept_bytes + line_bytes);
    return KEN_OK;
}

ken_status row_resizer_init(row_resizer *r, const kernels *k, const resize_spec *spec, uint8_t *to,
                            size_t to_stride, ken_error *err) {
    *r = (row_resizer){.k = k,
                       .channels = spec->channels,
                       .y_first = spec->y_first,
                       .to = to,
                       .to_stride = to_stride};
    TRY(taps_make(&r->x, spec->filter, &spec->x, err));
    TRY(taps_make(&r->y, spec->filter, &spec->y, err));
    return make_rooms(r, err);
}

void row_resizer_free(row_resizer *r) {
    taps_free(&r->x);
    taps_free(&r->y);
    mem_free(r->kept);
    mem_free(r->lines);
    *r = (row_resizer){0};
}

/* Resamples `n_rows` rows along x. */
static void x_pass(const row_resizer *r, const uint8_t *from, size_t from_stride, int n_rows,
                   uint8_t *to, size_t to_stride) {
    r->k->resize_columns_u8(&(resize_args){.src = from,
                                           .dst = to,
                                           .src_stride = from_stride,
                                           .dst_stride = to_stride,
                                           .rows = (size_t)n_rows,
                                           .n_out = (size_t)r->x.n,
                                           .channels = r->channels,
                                           .taps = r->x.taps,
                                           .coefs = r->x.coefs,
                                           .taps_max = r->x.taps_max});
}

/* One row of the y pass, from the rows that are kept. */
static void y_pass(const row_resizer *r, int i, uint8_t *to) {
    resize_tap tap = r->y.taps[i];
    tap.first -= r->kept_begin;
    r->k->resize_rows_u8(&(resize_args){.src = r->kept,
                                        .dst = to,
                                        .src_stride = r->kept_stride,
                                        .dst_stride = r->kept_stride,
                                        .width = r->kept_stride / r->channels,
                                        .n_out = 1,
                                        .channels = r->channels,
                                        .taps = &tap,
                                        .coefs = r->y.coefs + (size_t)i * r->y.taps_max,
                                        .taps_max = r->y.taps_max});
}

/* Rows that went through the y pass, and are the last ones of the result so far, through x's. */
static void flush_lines(row_resizer *r) {
    int first = r->n_done - r->n_lines;
    x_pass(r, r->lines, r->kept_stride, r->n_lines, r->to + (size_t)first * r->to_stride,
           r->to_stride);
    r->n_lines = 0;
}

/* Every row of the result whose inputs are all there. */
static void emit(row_resizer *r) {
    while (r->n_done < r->y.n) {
        const resize_tap *tap = &r->y.taps[r->n_done];
        if (tap->first + tap->count > r->kept_begin + r->n_kept)
            return;
        if (!r->y_first) {
            y_pass(r, r->n_done, r->to + (size_t)r->n_done * r->to_stride);
            r->n_done++;
            continue;
        }
        y_pass(r, r->n_done++, r->lines + (size_t)r->n_lines++ * r->kept_stride);
        if (r->n_lines == ROW_RESIZER_LINES || r->n_done == r->y.n)
            flush_lines(r);
    }
}

/* Forgets the rows that no output to come reads. */
static void make_room(row_resizer *r) {
    int needed = r->n_done < r->y.n ? r->y.taps[r->n_done].first : r->y.n_inputs;
    int n_old = needed - r->kept_begin;
    n_old = n_old < r->n_kept ? n_old : r->n_kept;
    r->n_kept -= n_old;
    r->kept_begin += n_old;
    memmove(r->kept, r->kept + (size_t)n_old * r->kept_stride, (size_t)r->n_kept * r->kept_stride);
}

void row_resizer_feed(row_resizer *r, const uint8_t *rows, size_t stride, int n_rows) {
    while (n_rows > 0) {
        if (r->capacity - r->n_kept < n_rows)
            make_room(r);
        int room = r->capacity - r->n_kept, n = n_rows < room ? n_rows : room;
        uint8_t *to = r->kept + (size_t)r->n_kept * r->kept_stride;
        if (!r->y_first)
            x_pass(r, rows, stride, n, to, r->kept_stride);
        for (int i = 0; r->y_first && i < n; i++)
            memcpy(to + (size_t)i * r->kept_stride, rows + (size_t)i * stride, r->kept_stride);
        r->n_kept += n;
        rows += (size_t)n * stride;
        n_rows -= n;
        emit(r);
    }
}
