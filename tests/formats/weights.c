/* Model directories: shards, paths that lead out, files that are no safetensors, missing tensors.
 */
#include "formats/weights_digest.h"

#include "base/file.h"
#include "base/hash.h"
#include "base/mem.h"
#include "formats/scratch.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char *const names[] = {"model", "open_clip_model", NULL};

#define ENTRY(name, offsets)                                                                       \
    "\"" name "\":{\"dtype\":\"U8\",\"shape\":[2,1],\"data_offsets\":" offsets "}"
#define ONE(name) "{" ENTRY(name, "[0,2]") "}"

static ken_status open_dir(const char *dir, weights **out, ken_error *err) {
    return weights_open(scratch_path(dir), names, out, err);
}

static void test_single_file(void **state) {
    (void)state;
    weights *w;
    ken_error err;
    scratch_safetensors("single/open_clip_model.safetensors", ONE("b"), 2);
    assert_ok(open_dir("single", &w, &err), err);
    assert_non_null(weights_find(w, "b"));
    weights_close(w);
    scratch_safetensors("single/model.safetensors", ONE("a"), 2);
    assert_ok(open_dir("single", &w, &err), err);
    assert_non_null(weights_find(w, "a"));
    assert_non_null(strstr(weights_path(w), "single/model.safetensors"));
    char digest[65], expected[65];
    file_map map;
    assert_ok(weights_sha256(w, NULL, NULL, digest, &err), err);
    assert_ok(file_map_open(weights_path(w), &map, &err), err);
    assert_ok(hash_sha256(map.data, map.size, expected, &err), err);
    assert_string_equal(digest, expected);
    file_map_close(&map);
    weights_close(w);
}

/* Sets both times of a file to `seconds` ago. Its time of change stays now, and decides. */
static void set_mtime(const char *path, time_t seconds) {
    struct timespec then = {.tv_sec = time(NULL) - seconds};
    assert_int_equal(utimensat(AT_FDCWD, path, (struct timespec[]){then, then}, 0), 0);
}

static uint64_t n_facts(const cache *c) {
    cache_usage usage;
    ken_error err;
    assert_ok(cache_measure(c, &usage, &err), err);
    return usage.n_files;
}

/* A digest is remembered for a file that has settled, and for no other state of it. */
static void test_remembered_digest(void **state) {
    (void)state;
    cache *c;
    weights *w;
    ken_error err;
    char digest[65], wrong[65];
    assert_ok(cache_open(scratch_path("cache"), 0, &c, &err), err);
    const char *path = scratch_safetensors("memo/model.safetensors", ONE("a"), 2);
    assert_ok(open_dir("memo", &w, &err), err);
    assert_false(weights_sha256_is_known(w, c));
    assert_ok(weights_sha256(w, c, NULL, digest, &err), err);
    assert_int_equal(n_facts(c), 0); /* it changed less than two seconds ago */
    weights_close(w);
    sleep(3);
    assert_ok(open_dir("memo", &w, &err), err);
    assert_ok(weights_sha256(w, c, NULL, digest, &err), err);
    assert_int_equal(n_facts(c), 1);
    assert_true(weights_sha256_is_known(w, c));
    assert_false(weights_sha256_is_known(w, NULL));
    assert_ok(weights_sha256(w, c, NULL, wrong, &err), err);
    assert_string_equal(wrong, digest);
    /* It is changed while it is mapped: what is hashed then is not remembered for the new state. */
    set_mtime(path, 100);
    weights *changed;
    assert_ok(open_dir("memo", &changed, &err), err);
    assert_false(weights_sha256_is_known(changed, c));
    assert_ok(weights_sha256(changed, c, NULL, wrong, &err), err);
    assert_int_equal(n_facts(c), 1);
    assert_true(weights_sha256_is_known(w, c));
    atomic_bool cancel = true;
    assert_error(weights_sha256(changed, c, &cancel, wrong, &err), KEN_CANCELLED, err, "given up");
    weights_close(changed);
    weights_close(w);
    cache_close(c);
}

static void write_shards(const char *dir, const char *weight_map) {
    char path[256], text[2048];
    snprintf(path, sizeof path, "%s/m-00002.safetensors", dir);
    scratch_safetensors(path, "{\"__metadata__\":{\"format\":\"pt\"}," ENTRY("b", "[0,2]") "}", 2);
    snprintf(path, sizeof path, "%s/m-00001.safetensors", dir);
    scratch_safetensors(
        path, "{" ENTRY("b", "[4,6]") "," ENTRY("c", "[2,4]") "," ENTRY("a", "[0,2]") "}", 6);
    snprintf(path, sizeof path, "%s/model.safetensors.index.json", dir);
    snprintf(text, sizeof text, "{\"metadata\":{\"total_size\":8},\"weight_map\":{%s}}",
             weight_map);
    scratch_text(path, text);
}

static void test_shards(void **state) {
    (void)state;
    write_shards("shards", "\"b\":\"m-00002.safetensors\",\"a\":\"m-00001.safetensors\"");
    weights *w;
    ken_error err;
    assert_ok(open_dir("shards", &w, &err), err);
    /* c is in a file but not in the map; b is in both files, and the map decides. */
    assert_int_equal(weights_count(w), 2);
    assert_string_equal(weights_name(w, 0), "a");
    assert_string_equal(weights_name(w, 1), "b");
    assert_null(weights_find(w, "c"));
    assert_ptr_equal(weights_find(w, "a"), weights_at(w, 0));
    assert_ptr_equal(weights_find(w, "b"), weights_at(w, 1));
    assert_int_equal(((const uint8_t *)weights_at(w, 1)->data)[0], 0);
    assert_string_equal(weights_metadata(w, "format"), "pt");
    assert_non_null(strstr(weights_path(w), "m-00001"));
    char digest[65], again[65];
    assert_ok(weights_sha256(w, NULL, NULL, digest, &err), err);
    weights_close(w);
    /* The order in which the map names the files changes nothing. */
    write_shards("shards", "\"a\":\"m-00001.safetensors\",\"b\":\"m-00002.safetensors\"");
    assert_ok(open_dir("shards", &w, &err), err);
    assert_ok(weights_sha256(w, NULL, NULL, again, &err), err);
    assert_string_equal(digest, again);
    weights_close(w);
}

static void test_bad_maps(void **state) {
    (void)state;
    scratch_safetensors("outside.safetensors", ONE("a"), 2);
    static const struct {
        const char *map;
        ken_status status;
        const char *message;
    } cases[] = {
        {"\"a\":\"../outside.safetensors\"", KEN_REFUSED, "leads out of the directory"},
        {"\"a\":\"../../../../../etc/passwd\"", KEN_REFUSED, "leads out of the directory"},
        {"\"a\":\"/etc/passwd\"", KEN_REFUSED, "is not relative"},
        {"\"a\":\"\"", KEN_REFUSED, "is not relative"},
        {"\"a\":\"link.safetensors\"", KEN_REFUSED, "leads out of the directory"},
        {"\"a\":\"m-00001\\u0000.safetensors\"", KEN_REFUSED, "holds a NUL character"},
        {"\"a\":\"absent.safetensors\"", KEN_NOT_FOUND, "absent.safetensors"},
        {"\"a\":\"m-00002.safetensors\"", KEN_BAD_FORMAT,
         "places tensor 'a' in 'm-00002.safetensors', which does not hold it"},
        {"\"a\":1", KEN_BAD_FORMAT, "the file of tensor 'a' is not a string"},
        {"\"a\":\"model.safetensors.index.json\"", KEN_UNSUPPORTED, "it is a JSON text"},
        {"", KEN_BAD_FORMAT, "has no 'weight_map'"},
        {"\"a\":\"m-00001.safetensors\",\"a\":\"m-00001.safetensors\"", KEN_BAD_FORMAT,
         "duplicate"},
        {"\"a\":\"hard.safetensors\"", KEN_OK, ""},
        {"\"a\":\"./m-00001.safetensors\"", KEN_OK, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_shards("maps", cases[i].map);
        if (i == 0) {
            const char *outside = scratch_path("outside.safetensors");
            assert_int_equal(symlink(outside, scratch_path("maps/link.safetensors")), 0);
            assert_int_equal(link(outside, scratch_path("maps/hard.safetensors")), 0);
        }
        weights *w;
        ken_error err;
        ken_status status = open_dir("maps", &w, &err);
        if (cases[i].status == KEN_OK)
            assert_ok(status, err);
        else
            assert_error(status, cases[i].status, err, cases[i].message);
        weights_close(w);
    }
}

/* Hub caches link from snapshots/COMMIT to blobs. */
static void test_links(void **state) {
    (void)state;
    scratch_safetensors("models--o--m/blobs/0123", ONE("a"), 2);
    scratch_text("models--o--m/snapshots/abc/config.json", "{}");
    assert_int_equal(
        symlink("../../blobs/0123", scratch_path("models--o--m/snapshots/abc/model.safetensors")),
        0);
    weights *w;
    ken_error err;
    assert_ok(open_dir("models--o--m/snapshots/abc", &w, &err), err);
    weights_close(w);
    scratch_text("linked/config.json", "{}");
    assert_int_equal(
        symlink(scratch_path("models--o--m/blobs/0123"), scratch_path("linked/model.safetensors")),
        0);
    assert_error(open_dir("linked", &w, &err), KEN_REFUSED, err, "leads out of the directory");
    assert_non_null(strstr(err.hint, "hard link"));
}

static void test_other_formats(void **state) {
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        const char *message, *hint;
    } magics[] = {
        {"PK\x03\x04rest of a zip", 17, "it is a zip archive", "torch.load"},
        {"\x80\x02}q\x00.rest", 11, "it is a Python pickle", "torch.load"},
        {"\x08\x07\x12\x07pytorch\x1a\x03", 13, "it is an ONNX model", "original"},
        {"GGUF\x03\0\0\0", 8, "it is a GGUF file", "original"},
        {"version https://git-lfs.github.com/spec/v1\n", 43, "a Git LFS pointer", "git lfs pull"},
        {"<!DOCTYPE html>", 15, "it is a web page", "hf download"},
    };
    weights *w;
    ken_error err;
    for (size_t i = 0; i < sizeof magics / sizeof *magics; i++) {
        scratch_write("magic/model.safetensors", magics[i].bytes, magics[i].size);
        assert_error(open_dir("magic", &w, &err), KEN_UNSUPPORTED, err, magics[i].message);
        assert_non_null(strstr(err.hint, magics[i].hint));
    }
    scratch_text("pickled/pytorch_model.bin", "");
    assert_error(open_dir("pickled", &w, &err), KEN_UNSUPPORTED, err,
                 "only 'pytorch_model.bin': pickled PyTorch weights");
    assert_non_null(strstr(err.hint, "save_file"));
    scratch_text("pickled/goldens.safetensors", ""); /* for ken verify: not the weights */
    assert_error(open_dir("pickled", &w, &err), KEN_UNSUPPORTED, err, "only 'pytorch_model.bin'");
    scratch_text("onnx/model.onnx", "");
    assert_error(open_dir("onnx", &w, &err), KEN_UNSUPPORTED, err, "an ONNX model");
    scratch_text("other/weights.safetensors", "");
    assert_error(open_dir("other", &w, &err), KEN_NOT_FOUND, err,
                 "but it has 'weights.safetensors'");
    scratch_text("empty/config.json", "{}");
    assert_error(open_dir("empty", &w, &err), KEN_NOT_FOUND, err, "has no 'model.safetensors'");
    assert_error(open_dir("absent", &w, &err), KEN_NOT_FOUND, err, "is not there");
    assert_int_equal(mkfifo(scratch_path("empty/model.safetensors"), 0666), 0);
    assert_error(open_dir("empty", &w, &err), KEN_UNSUPPORTED, err, "is not a regular file");
}

static void test_get(void **state) {
    (void)state;
    const char *path = scratch_safetensors(
        "get.safetensors",
        "{" ENTRY("visual.proj.weight", "[0,2]") "," ENTRY("logit_scale", "[2,4]") "}", 4);
    weights *w;
    ken_error err;
    const tensor *t = NULL;
    assert_ok(weights_open_file(path, &w, &err), err);
    assert_ok(weights_get(w, "logit_scale", 2, (const int64_t[]){2, 1}, &t, &err), err);
    assert_ptr_equal(t, weights_find(w, "logit_scale"));
    assert_error(weights_get(w, "logit_scale", 2, (const int64_t[]){1, 2}, &t, &err),
                 KEN_BAD_FORMAT, err, "tensor 'logit_scale' has shape [2, 1], expected [1, 2]");
    assert_error(weights_get(w, "logit_scale", 0, NULL, &t, &err), KEN_BAD_FORMAT, err,
                 "has shape [2, 1], expected []");
    assert_error(weights_get(w, "visual.proj.weights", 1, (const int64_t[]){2}, &t, &err),
                 KEN_BAD_FORMAT, err, "tensor 'visual.proj.weights' of shape [2] is missing");
    assert_string_equal(err.hint,
                        "the nearest name in the file is 'visual.proj.weight', of shape [2, 1]");
    assert_error(weights_get(w, "x", 1, (const int64_t[]){2}, &t, &err), KEN_BAD_FORMAT, err,
                 "tensor 'x' of shape [2] is missing");
    assert_non_null(strstr(err.hint, "the file has 2 tensors, none with a similar name"));
    weights_close(w);
}

static void test_out_of_memory(void **state) {
    (void)state;
    write_shards("oom", "\"b\":\"m-00002.safetensors\",\"a\":\"m-00001.safetensors\"");
    for (int forever = 0; forever < 2; forever++) {
        ken_status status = KEN_NO_MEMORY;
        for (uint64_t n = 1; status != KEN_OK; n++) {
            weights *w;
            ken_error err;
            mem_fail_after(n, forever);
            status = open_dir("oom", &w, &err);
            mem_fail_after(0, false);
            if (status != KEN_OK)
                assert_null(w);
            weights_close(w);
            assert_true(n < 200);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_single_file), cmocka_unit_test(test_remembered_digest),
        cmocka_unit_test(test_shards),      cmocka_unit_test(test_bad_maps),
        cmocka_unit_test(test_links),       cmocka_unit_test(test_other_formats),
        cmocka_unit_test(test_get),         cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
