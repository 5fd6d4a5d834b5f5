/* Formats by their first bytes. A file's name says nothing here: a PNG called .jpg is a PNG, and
 * what is not in the list is refused by name where it is recognised, so that a PDF among the photos
 * costs one clear line and never meets another parser. */
#include "image/decoder.h"

#include <string.h>

typedef struct magic {
    const char *bytes;
    uint8_t size, offset;
    image_format format;
    const char *name; /* of a refused format */
} magic;

#define MAGIC(text, offset, format)                                                                \
    { text, sizeof text - 1, offset, format, NULL }
#define REFUSED(text, offset, name)                                                                \
    { text, sizeof text - 1, offset, IMAGE_UNKNOWN, name }

/* The first that matches wins, so longer marks stand before shorter ones. */
static const magic magics[] = {
    MAGIC("\xFF\xD8\xFF", 0, IMAGE_JPEG),
    MAGIC("\x89PNG\r\n\x1A\n", 0, IMAGE_PNG),
    MAGIC("GIF87a", 0, IMAGE_GIF),
    MAGIC("GIF89a", 0, IMAGE_GIF),
    REFUSED("II*\0\x10\0\0\0CR", 0, "cr2"),
    MAGIC("II*\0", 0, IMAGE_TIFF),
    MAGIC("MM\0*", 0, IMAGE_TIFF),
    MAGIC("II+\0", 0, IMAGE_TIFF),
    MAGIC("MM\0+", 0, IMAGE_TIFF),
    MAGIC("\0\0\0\x0CJXL \r\n\x87\n", 0, IMAGE_JXL),
    MAGIC("\xFF\x0A", 0, IMAGE_JXL),
    MAGIC("BM", 0, IMAGE_BMP),
    REFUSED("%PDF-", 0, "pdf"),
    REFUSED("8BPS", 0, "psd"),
    REFUSED("%!PS", 0, "eps"),
    REFUSED("\xC5\xD0\xD3\xC6", 0, "eps"),
    REFUSED("\0\0\x01\0", 0, "ico"),
    REFUSED("\0\0\x02\0", 0, "cur"),
    REFUSED("\0\0\0\x0CjP  \r\n\x87\n", 0, "jpeg 2000"),
    REFUSED("\xFF\x4F\xFF\x51", 0, "jpeg 2000"),
    REFUSED("qoif", 0, "qoi"),
    REFUSED("DDS ", 0, "dds"),
    REFUSED("icns", 0, "icns"),
    REFUSED("v/1\x01", 0, "openexr"),
    REFUSED("#?RADIANCE", 0, "radiance hdr"),
    REFUSED("SIMPLE  =", 0, "fits"),
    REFUSED("gimp xcf", 0, "xcf"),
    REFUSED("AT&TFORM", 0, "djvu"),
    REFUSED("BLP1", 0, "blp"),
    REFUSED("BLP2", 0, "blp"),
    REFUSED("\x01\xDA\0", 0, "sgi"),
    REFUSED("\x01\xDA\x01", 0, "sgi"),
    REFUSED("FUJIFILMCCD-RAW", 0, "raf"),
    REFUSED("II\xBC", 0, "jpeg xr"),
    REFUSED("\xD7\xCD\xC6\x9A", 0, "wmf"),
    REFUSED("\x1F\x8B", 0, "gzip"),
    REFUSED("PK\x03\x04", 0, "zip"),
    REFUSED("\x1A\x45\xDF\xA3", 0, "matroska"),
    REFUSED("version https://git-lfs", 0, "git lfs pointer"),
};

static bool has(const uint8_t *bytes, size_t size, size_t offset, const char *text, size_t n) {
    return size >= offset + n && memcmp(bytes + offset, text, n) == 0;
}

static const magic *find(const uint8_t *bytes, size_t size) {
    for (size_t i = 0; i < sizeof magics / sizeof *magics; i++) {
        const magic *m = &magics[i];
        if (has(bytes, size, m->offset, m->bytes, m->size))
            return m;
    }
    return NULL;
}

/* ISO base media files say what they are in their brands: the major one, then compatible ones. */
static bool heif_brands(const uint8_t *bytes, size_t size) {
    static const char brands[][5] = {"heic", "heix", "heim", "heis", "hevc", "hevx",
                                     "avif", "avis", "mif1", "msf1", "mif2", "miaf"};
    if (!has(bytes, size, 4, "ftyp", 4) || size < 16)
        return false;
    size_t box = (size_t)bytes[0] << 24 | (size_t)bytes[1] << 16 | (size_t)bytes[2] << 8 | bytes[3];
    size_t end = box < size ? box : size;
    if (end > 256)
        end = 256;
    for (size_t at = 8; at + 4 <= end; at += 4)
        for (size_t i = 0; at != 12 && i < sizeof brands / sizeof *brands; i++)
            if (memcmp(bytes + at, brands[i], 4) == 0)
                return true;
    return false;
}

image_format image_sniff(const uint8_t *bytes, size_t size) {
    const magic *m = find(bytes, size);
    if (m)
        return m->format;
    if (has(bytes, size, 0, "RIFF", 4) && has(bytes, size, 8, "WEBP", 4))
        return IMAGE_WEBP;
    return heif_brands(bytes, size) ? IMAGE_HEIF : IMAGE_UNKNOWN;
}

static bool contains(const uint8_t *bytes, size_t size, const char *text) {
    size_t n = strlen(text);
    return size >= n && memmem(bytes, size, text, n) != NULL;
}

/* Markup has no fixed first bytes: look at the beginning of the text. */
static const char *markup(const uint8_t *bytes, size_t size) {
    size_t at = 0;
    if (has(bytes, size, 0, "\xEF\xBB\xBF", 3))
        at = 3;
    while (at < size && memchr(" \t\r\n", bytes[at], 4))
        at++;
    if (at >= size || bytes[at] != '<')
        return NULL;
    size_t n = size - at < 1024 ? size - at : 1024;
    if (contains(bytes + at, n, "<svg"))
        return "svg";
    bool html = contains(bytes + at, n, "<html") || contains(bytes + at, n, "<HTML") ||
                contains(bytes + at, n, "<!DOCTYPE html") ||
                contains(bytes + at, n, "<!doctype html");
    return html ? "html" : "xml";
}

const char *sniff_refused(const uint8_t *bytes, size_t size) {
    const magic *m = find(bytes, size);
    if (m)
        return m->name;
    if (has(bytes, size, 4, "ftypqt  ", 8))
        return "quicktime";
    if (has(bytes, size, 4, "ftypcrx ", 8))
        return "cr3";
    if (has(bytes, size, 4, "ftyp", 4))
        return "mp4";
    if (size >= 3 && bytes[0] == 'P' && bytes[1] >= '1' && bytes[1] <= '7' &&
        memchr(" \t\r\n#", bytes[2], 5))
        return "pnm";
    return markup(bytes, size);
}

const char *image_format_name(image_format format) {
    static const char *const names[] = {
        [IMAGE_UNKNOWN] = "unknown", [IMAGE_JPEG] = "jpeg", [IMAGE_PNG] = "png",
        [IMAGE_WEBP] = "webp",       [IMAGE_GIF] = "gif",   [IMAGE_BMP] = "bmp",
        [IMAGE_TIFF] = "tiff",       [IMAGE_HEIF] = "heif", [IMAGE_JXL] = "jxl",
    };
    return (size_t)format < sizeof names / sizeof *names ? names[format] : "unknown";
}
