/* bench/bench_pictures.c: ken's side of bench/pictures.py.
 *
 *     bench_pictures [TIER]
 *
 * Decodes JPEG files and the like as CLIP's preprocessing wants them: EXIF orientation, short side
 * to 224 (bicubic, antialiased), centre crop. Commands come on standard input, a line each, so that
 * the process sleeps while a peer is measured:
 *
 *     run exact|fast REPEATS PATH    that often, file in memory; prints wall and CPU seconds of one
 *     digest exact|fast PATH         prints the SHA-256 of the pixels
 */
#include "base/file.h"
#include "base/hash.h"
#include "base/sys.h"
#include "image/preprocess.h"

#include <stdio.h>
#include <string.h>

enum { SIDE = 224, MAX_LINE = 4200 };

static const preprocess clip = {.layout = PREPROCESS_HUGGING_FACE,
                                .mode = RESIZE_SHORTEST,
                                .filter = RESIZE_BICUBIC,
                                .resize_size = {SIDE, SIDE},
                                .crop = true,
                                .crop_size = {SIDE, SIDE}};

typedef struct order {
    bool digest;
    preprocess recipe;
    int repeats;
    const char *path;
} order;

/* false: not a command of ours. */
static bool parse(char *line, order *out) {
    char verb[16], resize[16];
    int at = 0;
    line[strcspn(line, "\n")] = '\0';
    *out = (order){.recipe = clip, .repeats = 1};
    out->digest = sscanf(line, "digest %15s %n", resize, &at) == 1;
    if (!out->digest && sscanf(line, "%15s %15s %d %n", verb, resize, &out->repeats, &at) != 3)
        return false;
    out->recipe.fast = strcmp(resize, "fast") == 0;
    out->path = line + at;
    return at > 0 && out->repeats > 0;
}

static ken_status answer(const kernels *k, const order *o, ken_error *err) {
    static uint8_t pixels[SIDE * SIDE * 3];
    file_map map = {0};
    TRY(file_map_open(o->path, &map, err));
    ken_status status = KEN_OK;
    double wall = -sys_seconds(), cpu = -sys_thread_cpu_seconds();
    for (int i = 0; i < o->repeats && status == KEN_OK; i++)
        status = preprocess_bytes(&o->recipe, k, map.data, map.size, NULL, pixels, NULL, NULL, err);
    wall += sys_seconds();
    cpu += sys_thread_cpu_seconds();
    char hex[HASH_SHA256_HEX];
    if (status == KEN_OK && o->digest)
        status = hash_sha256(pixels, sizeof pixels, hex, err);
    if (status == KEN_OK && o->digest)
        printf("%s\n", hex);
    else if (status == KEN_OK)
        printf("%.9f %.9f\n", wall / o->repeats, cpu / o->repeats);
    file_map_close(&map);
    return status;
}

int main(int n_args, char **args) {
    const char *reason = NULL;
    const kernels *k = n_args > 1 ? kernels_find(args[1], &reason) : kernels_best();
    if (!k) {
        fprintf(stderr, "bench_pictures: tier '%s': %s\n", args[1], reason);
        return 2;
    }
    char line[MAX_LINE];
    printf("ready %s\n", k->tier);
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        order o;
        ken_error err = {0};
        if (!parse(line, &o)) {
            fprintf(stderr, "bench_pictures: not a command: '%s'\n", line);
            return 2;
        }
        if (answer(k, &o, &err) != KEN_OK) {
            fprintf(stderr, "bench_pictures: '%s': %s\n", o.path, err.message);
            return 1;
        }
        fflush(stdout);
    }
    return 0;
}
