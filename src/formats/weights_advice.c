/* formats/weights_advice.c: turns "not found" into something to do. */
#include "formats/weights_advice.h"

#include "base/file.h"
#include "formats/safetensors.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>

/* ---- directories ------------------------------------------------------------------------------
 */

enum { name_bytes = 256 };

/* Lies beside the weights for `ken verify`; nobody's weights are called so. */
static const char reference_values[] = "goldens.safetensors";

typedef struct contents {
    char foreign[name_bytes]; /* weights of a kind that ken does not read */
    char other[name_bytes];   /* safetensors under a name that was not asked for */
    const char *is, *hint;
} contents;

/* The first in name order, so that the message does not depend on the directory's order. */
static bool comes_first(const char *name, const char *so_far) {
    return strlen(name) < name_bytes && (!so_far[0] || strcmp(name, so_far) < 0);
}

static void look_into(const char *dir, contents *found) {
    DIR *stream = opendir(dir);
    if (!stream)
        return;
    for (struct dirent *entry; (entry = readdir(stream));) {
        const char *hint, *is = safetensors_foreign_name(entry->d_name, &hint);
        if (is && comes_first(entry->d_name, found->foreign)) {
            snprintf(found->foreign, name_bytes, "%s", entry->d_name);
            found->is = is;
            found->hint = hint;
        }
        if (strcmp(file_extension(entry->d_name), ".safetensors") == 0 &&
            strcmp(entry->d_name, reference_values) != 0 &&
            comes_first(entry->d_name, found->other))
            snprintf(found->other, name_bytes, "%s", entry->d_name);
    }
    closedir(stream);
}

ken_status advise_on_directory(const char *dir, const char *const *names, ken_error *err) {
    contents found = {0};
    look_into(dir, &found);
    char shown[SHOWN_NAME_BYTES];
    if (found.other[0]) {
        error_set(err, KEN_NOT_FOUND, "'%s' has no '%s.safetensors', but it has '%s'", dir,
                  names[0], shown_name(found.other, shown));
        return error_hint(err, KEN_NOT_FOUND, "if these are the model's weights, rename the file");
    }
    if (found.is) {
        error_set(err, KEN_UNSUPPORTED, "'%s' has no safetensors file, only '%s': %s", dir,
                  shown_name(found.foreign, shown), found.is);
        return error_hint(err, KEN_UNSUPPORTED, "%s", found.hint);
    }
    error_set(err, KEN_NOT_FOUND, "'%s' has no '%s.safetensors'", dir, names[0]);
    return error_hint(err, KEN_NOT_FOUND,
                      "give a Hugging Face or OpenCLIP directory that holds the model's weights");
}

/* ---- tensors ----------------------------------------------------------------------------------
 */

enum { max_compared = 200, max_names = 20000 };

/* Levenshtein distance of texts of at most max_compared bytes. */
static size_t distance(const char *a, size_t n, const char *b, size_t m) {
    size_t row[max_compared + 1];
    for (size_t k = 0; k <= m; k++)
        row[k] = k;
    for (size_t i = 1; i <= n; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t k = 1; k <= m; k++) {
            size_t best = diagonal + (a[i - 1] != b[k - 1]);
            diagonal = row[k];
            if (row[k] + 1 < best)
                best = row[k] + 1;
            if (row[k - 1] + 1 < best)
                best = row[k - 1] + 1;
            row[k] = best;
        }
    }
    return row[m];
}

/* The name that differs least; NULL when none is at least half the same. */
static const char *nearest(const weights *w, const char *name) {
    size_t n = strlen(name), n_names = weights_count(w);
    if (n > max_compared)
        return NULL;
    if (n_names > max_names)
        n_names = max_names;
    const char *best = NULL;
    size_t best_distance = n / 2 + 1;
    for (size_t i = 0; i < n_names; i++) {
        const char *other = weights_name(w, i);
        size_t m = strlen(other);
        if (m > max_compared || (m > n ? m - n : n - m) >= best_distance)
            continue;
        size_t d = distance(name, n, other, m);
        if (d < best_distance) {
            best_distance = d;
            best = other;
        }
    }
    return best;
}

ken_status advise_on_tensor(const weights *w, const char *name, int rank, const int64_t *shape,
                            const tensor *found, ken_error *err) {
    tensor expected = {.rank = rank};
    for (int i = 0; i < rank; i++)
        expected.shape[i] = shape[i];
    char expected_text[192], found_text[192], shown[SHOWN_NAME_BYTES];
    tensor_shape_text(&expected, expected_text, sizeof expected_text);
    if (found)
        return error_set(err, KEN_BAD_FORMAT, "'%s': tensor '%s' has shape %s, expected %s",
                         weights_path(w), name,
                         tensor_shape_text(found, found_text, sizeof found_text), expected_text);
    error_set(err, KEN_BAD_FORMAT, "'%s': tensor '%s' of shape %s is missing", weights_path(w),
              name, expected_text);
    const char *near = nearest(w, name);
    if (!near)
        return error_hint(err, KEN_BAD_FORMAT,
                          "the file has %zu tensors, none with a similar name: is it the weights "
                          "of this configuration?",
                          weights_count(w));
    const tensor *other = weights_find(w, near);
    return error_hint(err, KEN_BAD_FORMAT, "the nearest name in the file is '%s', of shape %s",
                      shown_name(near, shown),
                      tensor_shape_text(other, found_text, sizeof found_text));
}
