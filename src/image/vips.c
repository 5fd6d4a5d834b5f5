/* TIFF, HEIF (AVIF) and JPEG XL through libvips, which is loaded at the first file that needs it.
 *
 * libvips guesses nothing here: the loader is named by the format that was sniffed, and everything
 * that libvips marks as untrusted is blocked (JPEG XL is then allowed again, by name). Rows are
 * pulled in strips straight into our pixels, so libvips never holds the whole picture. */
#include "base/mem.h"
#include "base/sys.h"
#include "image/decoder.h"
#include "image/orientation.h"

#include <pthread.h>
#include <string.h>
#include <vips/vips.h>

/* The functions used, by the names and types of vips.h and GLib. */
#define VIPS_FUNCTIONS(X)                                                                          \
    X(vips_init)                                                                                   \
    X(vips_block_untrusted_set)                                                                    \
    X(vips_operation_block_set)                                                                    \
    X(vips_cache_set_max)                                                                          \
    X(vips_concurrency_set)                                                                        \
    X(vips_tiffload_buffer)                                                                        \
    X(vips_heifload_buffer)                                                                        \
    X(vips_jxlload_buffer)                                                                         \
    X(vips_colourspace)                                                                            \
    X(vips_image_get_width)                                                                        \
    X(vips_image_get_height)                                                                       \
    X(vips_image_get_bands)                                                                        \
    X(vips_image_get_format)                                                                       \
    X(vips_image_get_interpretation)                                                               \
    X(vips_region_new)                                                                             \
    X(vips_region_prepare)                                                                         \
    X(vips_error_buffer_copy)                                                                      \
    X(vips_error_clear)                                                                            \
    X(vips_thread_shutdown)                                                                        \
    X(g_log_set_handler)                                                                           \
    X(g_object_unref)                                                                              \
    X(g_free)

static struct {
#define MEMBER(name) __typeof__(name) *name##_at;
    VIPS_FUNCTIONS(MEMBER)
#undef MEMBER
} vips;

enum { STRIP_ROWS = 16, TAG_BITS = 0x0102, TAG_PHOTOMETRIC = 0x0106 };
enum { PHOTOMETRIC_BLACK_IS_ZERO = 1, PHOTOMETRIC_PALETTE = 3 };

static struct {
    pthread_once_t once;
    ken_status status;
    ken_error reason;
} loading = {.once = PTHREAD_ONCE_INIT};

/* libvips would write its warnings, and libtiff's, to stderr. */
static void say_nothing(const gchar *domain, GLogLevelFlags level, const gchar *text, gpointer p) {
    (void)domain, (void)level, (void)text, (void)p;
}

static void load_library(void) {
    static const char *const paths[] = {"libvips.so.42", "libvips.so", NULL};
    const sys_symbol symbols[] = {
#define SYMBOL(name) {#name, (void **)(void *)&vips.name##_at},
        VIPS_FUNCTIONS(SYMBOL)
#undef SYMBOL
    };
    loading.status =
        sys_load_library(paths, symbols, sizeof symbols / sizeof *symbols, &loading.reason);
    if (loading.status != KEN_OK)
        return;
    vips.g_log_set_handler_at("VIPS", G_LOG_LEVEL_MASK | G_LOG_FLAG_FATAL | G_LOG_FLAG_RECURSION,
                              say_nothing, NULL);
    if (vips.vips_init_at("ken") != 0) {
        loading.status = error_set(&loading.reason, KEN_UNAVAILABLE, "libvips did not start");
        return;
    }
    vips.vips_block_untrusted_set_at(TRUE);
    vips.vips_operation_block_set_at("VipsForeignLoadJxl", FALSE);
    vips.vips_cache_set_max_at(0);
    vips.vips_concurrency_set_at(1);
}

static ken_status ready(ken_error *err) {
    pthread_once(&loading.once, load_library);
    if (loading.status == KEN_OK)
        return KEN_OK;
    error_set(err, loading.status, "%s", loading.reason.message);
    return error_hint(err, loading.status,
                      "install libvips (Debian: libvips42) for tiff, heif and jxl");
}

/* "could not decode FORMAT: what libvips said", on one line. */
static ken_status fail(const decoder *d, ken_error *err) {
    char *text = vips.vips_error_buffer_copy_at();
    size_t n = text ? strlen(text) : 0;
    while (n > 0 && (text[n - 1] == '\n' || text[n - 1] == ' '))
        text[--n] = '\0';
    for (size_t i = 0; i < n; i++)
        if (text[i] == '\n')
            text[i] = ';';
    bool limit = text && strstr(text, "Security limit exceeded"); /* libheif's own */
    ken_status status =
        error_set(err, limit ? KEN_TOO_LARGE : KEN_BAD_FORMAT, "could not decode %s: %s",
                  image_format_name(d->facts->format), n > 0 ? text : "no reason given");
    vips.g_free_at(text);
    return status;
}

static VipsImage *open_image(const decoder *d) {
    VipsImage *in = NULL;
    void *bytes = (void *)(uintptr_t)d->bytes; /* libvips only reads them */
    __typeof__(vips_tiffload_buffer) *load =
        d->facts->format == IMAGE_TIFF   ? vips.vips_tiffload_buffer_at
        : d->facts->format == IMAGE_HEIF ? vips.vips_heifload_buffer_at
                                         : vips.vips_jxlload_buffer_at;
    int failed = load(bytes, d->size, &in, "access", VIPS_ACCESS_SEQUENTIAL, "fail_on",
                      VIPS_FAIL_ON_ERROR, NULL);
    return failed ? NULL : in;
}

/* Colour spaces that are not grey, RGB or CMYK become sRGB. Takes `in`, returns it or another. */
static VipsImage *to_known_space(VipsImage *in) {
    switch (vips.vips_image_get_interpretation_at(in)) {
    case VIPS_INTERPRETATION_LAB:
    case VIPS_INTERPRETATION_LABS:
    case VIPS_INTERPRETATION_scRGB:
    case VIPS_INTERPRETATION_XYZ: {
        VipsImage *converted = NULL;
        int failed = vips.vips_colourspace_at(in, &converted, VIPS_INTERPRETATION_sRGB, NULL);
        vips.g_object_unref_at(in);
        return failed ? NULL : converted;
    }
    default:
        return in;
    }
}

static ken_status mode_of(const decoder *d, VipsImage *in, image_mode *mode, ken_error *err) {
    int bands = vips.vips_image_get_bands_at(in);
    VipsBandFormat format = vips.vips_image_get_format_at(in);
    bool cmyk = vips.vips_image_get_interpretation_at(in) == VIPS_INTERPRETATION_CMYK;
    if (format != VIPS_FORMAT_UCHAR && format != VIPS_FORMAT_USHORT)
        return error_set(err, KEN_UNSUPPORTED,
                         "%s has samples that are not unsigned integers of 8 or 16 bits",
                         image_format_name(d->facts->format));
    static const image_mode modes[] = {IMAGE_L, IMAGE_L, IMAGE_LA, IMAGE_RGB, IMAGE_RGBA};
    if (bands < 1 || bands > 4)
        return error_set(err, KEN_UNSUPPORTED, "%s has %d channels: expected 1 to 4",
                         image_format_name(d->facts->format), bands);
    *mode = cmyk && bands == 4 ? IMAGE_CMYK : modes[bands];
    return KEN_OK;
}

static void copy_row(const uint8_t *from, bool wide, size_t n, uint8_t *to) {
    if (!wide) {
        memcpy(to, from, n);
        return;
    }
    for (size_t i = 0; i < n; i++) { /* the high byte of each sample */
        uint16_t value;
        memcpy(&value, from + 2 * i, sizeof value);
        to[i] = (uint8_t)(value >> 8);
    }
}

/* VIPS_REGION_ADDR for the first column; the macro would call into the library. */
static const uint8_t *row_at(const VipsRegion *region, int y) {
    return region->data + (ptrdiff_t)(y - region->valid.top) * region->bpl;
}

static ken_status read_rows(decoder *d, VipsImage *in, image *out, ken_error *err) {
    VipsRegion *region = vips.vips_region_new_at(in);
    if (!region)
        return fail(d, err);
    bool wide = vips.vips_image_get_format_at(in) == VIPS_FORMAT_USHORT;
    ken_status status = KEN_OK;
    for (int y = 0; y < out->height && status == KEN_OK; y += STRIP_ROWS) {
        int n = out->height - y < STRIP_ROWS ? out->height - y : STRIP_ROWS;
        VipsRect strip = {0, y, out->width, n};
        if (vips.vips_region_prepare_at(region, &strip) != 0) {
            status = fail(d, err);
            if (y > 0 && !d->strict) {
                status = decoder_warn(d, err, "%s is damaged after row %d",
                                      image_format_name(d->facts->format), y);
                break;
            }
        }
        for (int row = 0; row < n && status == KEN_OK; row++)
            copy_row(row_at(region, y + row), wide, out->stride,
                     out->pixels + (size_t)(y + row) * out->stride);
    }
    vips.g_object_unref_at(region);
    return status;
}

static uint32_t tiff_tag(const decoder *d, uint16_t tag) {
    uint32_t value = 0;
    return exif_tag(d->bytes, d->size, tag, &value) ? value : 0;
}

/* The index of a colour in the table, which it enters at need; 256 when the table is full. */
static size_t enter_color(uint8_t (*colors)[4], size_t *n_colors, const uint8_t *p) {
    for (size_t i = 0; i < *n_colors; i++)
        if (memcmp(colors[i], p, 3) == 0)
            return i;
    if (*n_colors == 256)
        return 256;
    memcpy(colors[*n_colors], p, 3);
    return (*n_colors)++;
}

/* libvips turns a palette into RGB; models that resize before they convert want the palette back.
 * The order of its entries does not matter, since palettes are resized by nearest neighbour. The
 * picture stays RGB when it has more colours than a palette holds. */
static ken_status restore_palette(image *img, ken_error *err) {
    uint8_t(*colors)[4] = mem_zalloc(256, sizeof *colors);
    uint8_t *indices = mem_alloc((size_t)img->width * (size_t)img->height);
    size_t n_colors = 0, last = 0, n_pixels = (size_t)img->width * (size_t)img->height;
    ken_status status = KEN_OK;
    if (!colors || !indices)
        status = error_no_memory(err, n_pixels);
    for (size_t i = 0; status == KEN_OK && i < n_pixels && last < 256; i++) {
        const uint8_t *p = img->pixels + 3 * i;
        if (i == 0 || memcmp(p, p - 3, 3) != 0)
            last = enter_color(colors, &n_colors, p);
        indices[i] = (uint8_t)last;
    }
    if (status != KEN_OK || last == 256) {
        mem_free(colors);
        mem_free(indices);
        return status;
    }
    for (size_t i = 0; i < 256; i++)
        colors[i][3] = 255;
    mem_free(img->pixels);
    img->pixels = indices;
    img->palette = colors;
    img->mode = IMAGE_P;
    img->channels = 1;
    img->stride = (size_t)img->width;
    return KEN_OK;
}

/* What libvips does not tell: which pictures were palettes or black and white, and the orientation
 * (libheif and libjxl have applied theirs). */
static ken_status finish_tiff(decoder *d, image *out, ken_error *err) {
    d->orientation = orientation_read(d->bytes, d->size, NULL, 0);
    if (!exif_values_inside(d->bytes, d->size))
        TRY(decoder_warn(d, err, "tiff is damaged: a tag lies outside of the file"));
    if (out->mode == IMAGE_RGB && tiff_tag(d, TAG_PHOTOMETRIC) == PHOTOMETRIC_PALETTE)
        return restore_palette(out, err);
    if (out->mode == IMAGE_L && tiff_tag(d, TAG_BITS) <= 1 &&
        tiff_tag(d, TAG_PHOTOMETRIC) <= PHOTOMETRIC_BLACK_IS_ZERO)
        out->mode = IMAGE_1;
    return KEN_OK;
}

static ken_status decode_opened(decoder *d, VipsImage *in, image *out, ken_error *err) {
    image_mode mode = IMAGE_RGB;
    TRY(mode_of(d, in, &mode, err));
    TRY(decoder_new_image(d, mode, (uint64_t)vips.vips_image_get_width_at(in),
                          (uint64_t)vips.vips_image_get_height_at(in), out, err));
    TRY(read_rows(d, in, out, err));
    return d->facts->format == IMAGE_TIFF ? finish_tiff(d, out, err) : KEN_OK;
}

ken_status decode_vips(decoder *d, image *out, ken_error *err) {
    TRY(ready(err));
    ken_status status;
    VipsImage *in = open_image(d);
    /* The size first: a conversion of colours would already allocate. */
    if (in && decoder_check_size(d, (uint64_t)vips.vips_image_get_width_at(in),
                                 (uint64_t)vips.vips_image_get_height_at(in), err) != KEN_OK) {
        vips.g_object_unref_at(in);
        return KEN_TOO_LARGE;
    }
    in = in ? to_known_space(in) : NULL;
    if (in) {
        status = decode_opened(d, in, out, err);
        vips.g_object_unref_at(in);
    } else {
        status = fail(d, err);
    }
    vips.vips_error_clear_at();
    vips.vips_thread_shutdown_at(); /* its per-thread buffers: threads come and go */
    return status;
}
