/* Packed weights from the cache: the same bits, for exactly what they were packed from, whatever
 * happened to the file. */
#include "fixture.h"

#include "base/cache.h"
#include "base/mem.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* What a load said. */
typedef struct notices {
    int n_warnings, n_kept, n_from, n_other;
    char last[1024];
} notices;

static void hear(void *context, bool warning, const char *text) {
    notices *n = context;
    bool kept = strstr(text, "is kept in"), from = strstr(text, "comes from");
    n->n_warnings += warning;
    n->n_kept += kept;
    n->n_from += from;
    n->n_other += !warning && !kept && !from;
    snprintf(n->last, sizeof n->last, "%s", text);
}

static ken_model *load(const char *dir, ken_model_options options, const char *cache_dir,
                       notices *n) {
    *n = (notices){0};
    options.cache_dir = cache_dir;
    options.notice = hear;
    options.notice_context = n;
    return fixture_load(dir, &options);
}

enum { n_items = 2, max_width = 64 };

/* Embeddings of two pictures and two texts, as far as the model has the towers. */
static void encode(ken_model *model, float out[2 * n_items * max_width]) {
    ken_model_info info;
    ken_model_get_info(model, &info);
    memset(out, 0, sizeof(float) * 2 * n_items * max_width);
    ken_session *session;
    ken_error err;
    assert_true(info.embedding_width <= max_width);
    assert_ok(ken_session_new(model, NULL, &session, &err), err);
    if (info.image_size[0]) {
        size_t n = n_items * preprocess_size(model_preprocess(model));
        uint8_t *pixels = mem_alloc(n);
        for (size_t i = 0; i < n; i++)
            pixels[i] = (uint8_t)(i * 2654435761u >> 13);
        assert_ok(ken_session_encode_pixels(session, pixels, n_items, out, &err), err);
        mem_free(pixels);
    }
    if (info.context_length) {
        int32_t *ids = mem_zalloc((size_t)(n_items * info.context_length), sizeof *ids);
        for (int i = 0; i < n_items * info.context_length; i++)
            ids[i] = (i * 7 + 1) % info.vocab_size;
        assert_ok(ken_session_encode_tokens(session, ids, n_items, out + n_items * max_width, &err),
                  err);
        mem_free(ids);
    }
    ken_session_free(session);
}

static void load_and_encode(const char *dir, ken_model_options options, const char *cache_dir,
                            notices *n, float out[2 * n_items * max_width]) {
    ken_model *model = load(dir, options, cache_dir, n);
    encode(model, out);
    ken_model_free(model);
}

static size_t count_files(const char *cache_dir, const char *prefix) {
    DIR *dir = opendir(cache_dir);
    size_t n = 0;
    for (struct dirent *entry; dir && (entry = readdir(dir));)
        n += strncmp(entry->d_name, prefix, strlen(prefix)) == 0;
    if (dir)
        closedir(dir);
    return n;
}

/* Calls `fn` for each file of the cache that holds packed weights. */
static void for_each_pack(const char *cache_dir, void (*fn)(const char *path)) {
    char paths[8][700];
    size_t n = 0;
    DIR *dir = opendir(cache_dir);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));)
        if (strncmp(entry->d_name, "pack-", 5) == 0 && n < 8)
            snprintf(paths[n++], sizeof *paths, "%s/%s", cache_dir, entry->d_name);
    closedir(dir);
    while (n > 0)
        fn(paths[--n]);
}

/* Every kind of tower, in every precision. */
static void test_same_bits(void **state) {
    (void)state;
    static const char *const names[] = {"hf_clip_classic", "hf_siglip", "open_clip_rn",
                                        "open_clip_vit_avg_ln_after"};
    float plain[2 * n_items * max_width], first[2 * n_items * max_width],
        second[2 * n_items * max_width];
    const char *dir = scratch_path("bits");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        for (ken_precision p = KEN_PRECISION_F32; p <= KEN_PRECISION_S16; p++) {
            notices n;
            ken_model_options options = {.precision = p};
            load_and_encode(fixture_dir(names[i]), options, NULL, &n, plain);
            assert_int_equal(n.n_kept + n.n_from + n.n_warnings + n.n_other, 0);
            load_and_encode(fixture_dir(names[i]), options, dir, &n, first);
            assert_int_equal(n.n_kept, 2);
            assert_int_equal(n.n_from + n.n_warnings + n.n_other, 0);
            load_and_encode(fixture_dir(names[i]), options, dir, &n, second);
            assert_int_equal(n.n_from, 2);
            assert_int_equal(n.n_kept + n.n_warnings + n.n_other, 0);
            assert_memory_equal(plain, first, sizeof plain);
            assert_memory_equal(plain, second, sizeof plain);
        }
}

/* A tower is found again by a load of that tower alone. */
static void test_towers_apart(void **state) {
    (void)state;
    const char *dir = scratch_path("towers");
    const char *model = fixture_dir("hf_clip_classic");
    float both[2 * n_items * max_width], one[2 * n_items * max_width];
    const size_t half = n_items * max_width;
    notices n;
    load_and_encode(model, (ken_model_options){.text_only = true}, dir, &n, one);
    assert_int_equal(n.n_kept, 1);
    load_and_encode(model, (ken_model_options){0}, dir, &n, both);
    assert_int_equal(n.n_from, 1);
    assert_int_equal(n.n_kept, 1);
    assert_memory_equal(one + half, both + half, half * sizeof *one);
    load_and_encode(model, (ken_model_options){.vision_only = true}, dir, &n, one);
    assert_int_equal(n.n_from, 1);
    assert_memory_equal(one, both, half * sizeof *one);
    assert_int_equal(count_files(dir, "pack-vision-"), 1);
    assert_int_equal(count_files(dir, "pack-text-"), 1);
}

/* Another precision, tier, weight or configuration never gets these files. */
static void test_keys(void **state) {
    (void)state;
    char dir[600], model[600]; /* fixture_set uses the rotating buffers up */
    snprintf(dir, sizeof dir, "%s", scratch_path("keys"));
    snprintf(model, sizeof model, "%s", fixture_copy("hf_clip_classic"));
    float values[2 * n_items * max_width], expected[2 * n_items * max_width];
    notices n;
    load_and_encode(model, (ken_model_options){.precision = KEN_PRECISION_S16}, dir, &n, values);
    assert_int_equal(count_files(dir, "pack-"), 2);
    load_and_encode(model, (ken_model_options){.precision = KEN_PRECISION_F32}, dir, &n, values);
    assert_int_equal(n.n_kept, 2);
    load_and_encode(model, (ken_model_options){.cpu_tier = "scalar"}, dir, &n, values);
    assert_int_equal(n.n_kept, 2);
    assert_int_equal(count_files(dir, "pack-"), 6);

    fixture_set("hf_clip_classic", "config.json", "vision_config.hidden_act", "\"gelu\"");
    load_and_encode(model, (ken_model_options){.precision = KEN_PRECISION_S16}, dir, &n, values);
    assert_int_equal(n.n_kept, 2);

    fixture_tensors tensors;
    fixture_read_tensors("hf_clip_classic", "model.safetensors", &tensors);
    tensors.data[tensors.data_bytes / 2] ^= 1;
    fixture_write_tensors("hf_clip_classic", "model.safetensors", tensors.header, tensors.data,
                          tensors.data_bytes);
    fixture_free_tensors(&tensors);
    load_and_encode(model, (ken_model_options){.precision = KEN_PRECISION_S16}, dir, &n, values);
    assert_int_equal(n.n_kept, 2);
    load_and_encode(model, (ken_model_options){.precision = KEN_PRECISION_S16}, NULL, &n, expected);
    assert_memory_equal(values, expected, sizeof values);
}

static void flip_middle(const char *path) {
    FILE *file = fopen(path, "r+");
    fseek(file, 0, SEEK_END);
    long middle = ftell(file) / 2;
    fseek(file, middle, SEEK_SET);
    int byte = fgetc(file);
    fseek(file, middle, SEEK_SET);
    fputc(byte ^ 0x40, file);
    fclose(file);
}

static void flip_first(const char *path) {
    FILE *file = fopen(path, "r+");
    fputc('x', file);
    fclose(file);
}

static void cut(const char *path) {
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(truncate(path, info.st_size - 1), 0);
}

static void empty(const char *path) {
    assert_int_equal(truncate(path, 0), 0);
}

static void open_to_all(const char *path) {
    assert_int_equal(chmod(path, 0666), 0);
}

static void link_away(const char *path) {
    char other[800];
    snprintf(other, sizeof other, "%s.moved", path);
    assert_int_equal(rename(path, other), 0);
    assert_int_equal(symlink(other, path), 0);
}

/* Damage costs a warning a tower, and the files are whole again after it. */
static void test_damaged_files(void **state) {
    (void)state;
    void (*const damages[])(const char *) = {flip_middle, flip_first,  cut,
                                             empty,       open_to_all, link_away};
    const char *dir = scratch_path("damaged");
    const char *model = fixture_dir("open_clip_rn");
    float expected[2 * n_items * max_width], values[2 * n_items * max_width];
    notices n;
    load_and_encode(model, (ken_model_options){0}, dir, &n, expected);
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        for_each_pack(dir, damages[i]);
        load_and_encode(model, (ken_model_options){0}, dir, &n, values);
        if (n.n_kept != 2 || n.n_from != 0 || n.n_warnings + n.n_other != 2)
            fail_msg("damage %zu: %d warnings, %d kept, last '%s'", i, n.n_warnings, n.n_kept,
                     n.last);
        assert_memory_equal(values, expected, sizeof values);
        load_and_encode(model, (ken_model_options){0}, dir, &n, values);
        assert_int_equal(n.n_from, 2);
        assert_memory_equal(values, expected, sizeof values);
    }
}

/* Without a folder that can be used the load goes on, and says so once. */
static void test_no_folder(void **state) {
    (void)state;
    float values[2 * n_items * max_width];
    notices n;
    const char *loose = scratch_path("loose");
    assert_int_equal(mkdir(loose, 0700), 0);
    assert_int_equal(chmod(loose, 0777), 0);
    load_and_encode(fixture_dir("hf_clip_classic"), (ken_model_options){0}, loose, &n, values);
    assert_int_equal(n.n_warnings, 1);
    assert_non_null(strstr(n.last, "has mode 0777"));
    load_and_encode(fixture_dir("hf_clip_classic"), (ken_model_options){0}, "/proc/none", &n,
                    values);
    assert_int_equal(n.n_warnings, 0);
    assert_int_equal(n.n_other, 1);
    load_and_encode(fixture_dir("hf_clip_classic"), (ken_model_options){.cache_limit_bytes = 1000},
                    scratch_path("small"), &n, values);
    assert_int_equal(n.n_warnings, 0);
    assert_int_equal(n.n_other, 2);
    assert_non_null(strstr(n.last, "limit is 1000"));
}

/* Answers are those of these weights, this tier and this precision. */
static void test_answers(void **state) {
    (void)state;
    const char *dir = scratch_path("answers");
    char answer[MODEL_ANSWER_BYTES];
    notices n;
    ken_model *s16 = load(fixture_dir("hf_clip_classic"),
                          (ken_model_options){.precision = KEN_PRECISION_S16}, dir, &n);
    ken_model *f32 = load(fixture_dir("hf_clip_classic"),
                          (ken_model_options){.precision = KEN_PRECISION_F32}, dir, &n);
    ken_model *none = load(fixture_dir("hf_clip_classic"), (ken_model_options){0}, NULL, &n);
    assert_false(model_recall(s16, "cosine", answer));
    model_remember(s16, "cosine", "0.9999");
    assert_true(model_recall(s16, "cosine", answer));
    assert_string_equal(answer, "0.9999");
    assert_false(model_recall(s16, "plan", answer));
    assert_false(model_recall(f32, "cosine", answer));
    model_remember(none, "cosine", "1");
    assert_false(model_recall(none, "cosine", answer));
    ken_model_free(s16);
    ken_model_free(f32);
    ken_model_free(none);
}

static void remove_file(const char *path) {
    (void)unlink(path);
}

/* True when every load gave the expected bits, whatever the others did meanwhile. */
static bool load_often(const float *expected) {
    for (int i = 0; i < 20; i++) {
        notices n;
        float values[2 * n_items * max_width];
        load_and_encode(fixture_dir("hf_clip_classic"), (ken_model_options){0},
                        scratch_path("shared"), &n, values);
        if (n.n_warnings || memcmp(values, expected, sizeof values) != 0)
            return false;
        if (i % 5 == 0)
            for_each_pack(scratch_path("shared"), remove_file);
    }
    return true;
}

static void test_concurrent_loads(void **state) {
    (void)state;
    float expected[2 * n_items * max_width];
    notices n;
    pid_t children[3];
    load_and_encode(fixture_dir("hf_clip_classic"), (ken_model_options){0}, NULL, &n, expected);
    for (int i = 0; i < 3; i++)
        if ((children[i] = fork()) == 0)
            _exit(load_often(expected) ? 0 : 1);
    for (int i = 0; i < 3; i++) {
        int status;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
}

/* An allocation that fails in the cache costs the cache, never the bits. */
static void test_no_memory(void **state) {
    (void)state;
    const char *dir = scratch_path("memory");
    float expected[2 * n_items * max_width], values[2 * n_items * max_width];
    notices n;
    load_and_encode(fixture_dir("hf_clip_classic"), (ken_model_options){0}, dir, &n, expected);
    ken_status status = KEN_NO_MEMORY;
    for (uint64_t i = 1; status != KEN_OK || i < 200; i += 3) {
        if (i % 2)
            for_each_pack(dir, remove_file);
        ken_model *model;
        ken_error err;
        mem_fail_after(i, false);
        status = ken_model_load(fixture_dir("hf_clip_classic"),
                                &(ken_model_options){.cache_dir = dir}, &model, &err);
        mem_fail_after(0, false);
        assert_true(status == KEN_OK || status == KEN_NO_MEMORY);
        if (status == KEN_OK) {
            encode(model, values);
            assert_memory_equal(values, expected, sizeof values);
        }
        ken_model_free(model);
        load_and_encode(fixture_dir("hf_clip_classic"), (ken_model_options){0}, dir, &n, values);
        assert_memory_equal(values, expected, sizeof values);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_bits),
        cmocka_unit_test(test_towers_apart),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_damaged_files),
        cmocka_unit_test(test_no_folder),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_concurrent_loads),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
