/* The weights of Pillow's filters (Resample.c: precompute_coeffs), rounded as there. */
#include "image/taps.h"

#include "base/checked.h"
#include "base/mem.h"

#include <math.h>

static double box(double x) {
    return x > -0.5 && x <= 0.5 ? 1.0 : 0.0;
}

static double bilinear(double x) {
    x = fabs(x);
    return x < 1.0 ? 1.0 - x : 0.0;
}

static double hamming(double x) {
    x = fabs(x);
    if (x == 0.0)
        return 1.0;
    if (x >= 1.0)
        return 0.0;
    x = x * M_PI;
    return sin(x) / x * ((double)0.54F + (double)0.46F * cos(x)); /* floats in Pillow, too */
}

static double bicubic(double x) {
    const double a = -0.5;
    x = fabs(x);
    if (x < 1.0)
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    if (x < 2.0)
        return (((x - 5) * x + 8) * x - 4) * a;
    return 0.0;
}

static double sinc(double x) {
    if (x == 0.0)
        return 1.0;
    x = x * M_PI;
    return sin(x) / x;
}

static double lanczos(double x) {
    return x >= -3.0 && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0;
}

typedef struct kernel_shape {
    double (*weight)(double x);
    double support;
} kernel_shape;

static const kernel_shape shapes[] = {
    [RESIZE_BILINEAR] = {bilinear, 1.0}, [RESIZE_BICUBIC] = {bicubic, 2.0},
    [RESIZE_LANCZOS] = {lanczos, 3.0},   [RESIZE_BOX] = {box, 0.5},
    [RESIZE_HAMMING] = {hamming, 1.0},
};

static int32_t to_fixed(double weight) {
    double scaled = weight * (1 << RESIZE_PRECISION_BITS);
    return (int32_t)(weight < 0 ? -0.5 + scaled : 0.5 + scaled);
}

static resize_tap make_tap(const kernel_shape *shape, int in_size, double scale, int i,
                           double *weights, int32_t *coefs) {
    double filter_scale = scale < 1.0 ? 1.0 : scale;
    double support = shape->support * filter_scale;
    double center = (i + 0.5) * scale;
    double inverse = 1.0 / filter_scale;
    int first = (int)(center - support + 0.5);
    first = first < 0 ? 0 : first;
    int end = (int)(center + support + 0.5);
    end = end > in_size ? in_size : end;
    int count = end - first;
    double sum = 0.0;
    for (int j = 0; j < count; j++) {
        weights[j] = shape->weight((j + first - center + 0.5) * inverse);
        sum += weights[j];
    }
    for (int j = 0; j < count; j++)
        coefs[j] = to_fixed(sum != 0.0 ? weights[j] / sum : weights[j]);
    return (resize_tap){first, count};
}

void taps_free(tap_table *t) {
    mem_free(t->taps);
    mem_free(t->coefs);
    *t = (tap_table){0};
}

static ken_status fill(tap_table *t, const kernel_shape *shape, double scale, const axis *a,
                       ken_error *err) {
    double *weights = mem_zalloc(t->taps_max, sizeof *weights);
    if (!weights)
        return error_no_memory(err, t->taps_max * sizeof *weights);
    for (int i = 0; i < t->n; i++)
        t->taps[i] = make_tap(shape, a->in_size, scale, a->first + i, weights,
                              t->coefs + (size_t)i * t->taps_max);
    mem_free(weights);
    return KEN_OK;
}

static void reverse(int32_t *x, int n) {
    for (int i = 0; i < n / 2; i++) {
        int32_t other = x[i];
        x[i] = x[n - 1 - i];
        x[n - 1 - i] = other;
    }
}

/* Sums of integers do not depend on their order, so a mirrored table gives mirrored pixels to the
 * last bit. Weights computed for the mirrored side would differ in their rounding. */
static void mirror(tap_table *t, int in_size) {
    for (int i = 0; i < t->n; i++) {
        resize_tap *tap = &t->taps[i];
        tap->first = in_size - tap->first - tap->count;
        reverse(t->coefs + (size_t)i * t->taps_max, tap->count);
    }
    for (int i = 0, j = t->n - 1; i < j; i++, j--) {
        resize_tap tap = t->taps[i];
        t->taps[i] = t->taps[j];
        t->taps[j] = tap;
        int32_t *a = t->coefs + (size_t)i * t->taps_max, *b = t->coefs + (size_t)j * t->taps_max;
        for (size_t c = 0; c < t->taps_max; c++) {
            int32_t coef = a[c];
            a[c] = b[c];
            b[c] = coef;
        }
    }
}

static void take_range(tap_table *t) {
    int begin = t->taps[0].first, end = begin;
    for (int i = 0; i < t->n; i++) {
        const resize_tap *tap = &t->taps[i];
        begin = tap->first < begin ? tap->first : begin;
        end = tap->first + tap->count > end ? tap->first + tap->count : end;
    }
    for (int i = 0; i < t->n; i++)
        t->taps[i].first -= begin;
    t->inputs_begin = begin;
    t->n_inputs = end - begin;
}

ken_status taps_make(tap_table *t, resize_filter filter, const axis *a, ken_error *err) {
    const kernel_shape *shape = &shapes[filter];
    double scale = (double)a->in_size / a->out_size;
    double support = shape->support * (scale < 1.0 ? 1.0 : scale);
    *t = (tap_table){.taps_max = (size_t)ceil(support) * 2 + 1, .n = a->n};
    size_t n = (size_t)a->n, n_coefs = SIZE_MAX / sizeof *t->coefs;
    t->taps = mem_zalloc(n, sizeof *t->taps);
    if (checked_mul(n, t->taps_max, &n_coefs))
        t->coefs = mem_zalloc(n_coefs, sizeof *t->coefs);
    if (!t->taps || !t->coefs)
        return error_no_memory(err, n_coefs * sizeof *t->coefs);
    TRY(fill(t, shape, scale, a, err));
    if (a->mirrored)
        mirror(t, a->in_size);
    take_range(t);
    return KEN_OK;
}
