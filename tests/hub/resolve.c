/* Every spelling of --model, and what is said when there is nothing behind it. */
#include "hub/resolve.h"

#include "base/file.h"
#include "base/mem.h"
#include "formats/scratch.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COMMIT "3d74acf9a28c67741b2f4f2ea7635f0aaf6f0268"
#define OTHER  "0123456789abcdef0123456789abcdef01234567"

static char cache[512], data[512], local[512];

static int setup(void **state) {
    if (scratch_make(state) != 0)
        return -1;
    scratch_text("cache/models--openai--clip-vit-base-patch32/refs/main", COMMIT "\n");
    scratch_text("cache/models--openai--clip-vit-base-patch32/refs/refs/pr/1", OTHER);
    scratch_text("cache/models--openai--clip-vit-base-patch32/snapshots/" COMMIT "/config.json",
                 "{}");
    scratch_text("cache/models--openai--clip-vit-base-patch32/snapshots/" OTHER "/config.json",
                 "{}");
    scratch_text("cache/models--timm--vit_base_patch32_clip_224.openai/snapshots/" OTHER "/x", "");
    scratch_text("cache/models--laion--gone/refs/main", COMMIT);
    scratch_text("cache/models--laion--evil/refs/main", "../../../data");
    scratch_text("cache/models--gpt2/refs/main", COMMIT);
    scratch_text("cache/models--gpt2/snapshots/" COMMIT "/x", "");
    scratch_text("data/models/demo/config.json", "{}");
    scratch_text("local/my model/model.safetensors", "");
    scratch_text("local/my model/pytorch_model.bin", "");
    scratch_text("local/org/repo/config.json", "{}");
    snprintf(cache, sizeof cache, "%s", scratch_path("cache"));
    snprintf(data, sizeof data, "%s", scratch_path("data"));
    snprintf(local, sizeof local, "%s", scratch_path("local"));
    return chdir(local);
}

static ken_status resolve(const char *spec, model_location *out, ken_error *err) {
    const char *const data_dirs[] = {"/nowhere", data, NULL};
    return model_resolve(spec, cache, data_dirs, out, err);
}

static void expect(const char *spec, const char *dir_ends_with, const char *id,
                   const char *revision) {
    model_location got;
    ken_error err;
    assert_ok(resolve(spec, &got, &err), err);
    size_t n = strlen(got.dir), n_end = strlen(dir_ends_with);
    assert_true(n >= n_end && strcmp(got.dir + n - n_end, dir_ends_with) == 0);
    assert_string_equal(got.id, id);
    assert_string_equal(got.revision, revision);
    assert_true(file_is_directory(got.dir));
    model_location_free(&got);
}

static void test_found(void **state) {
    (void)state;
    static const char clip[] = "openai/clip-vit-base-patch32";
    static const char timm[] = "timm/vit_base_patch32_clip_224.openai";
    expect("demo", "data/models/demo", "demo", "");
    expect("my model", "my model", "my model", "");
    expect("./my model/", "my model/", "my model", "");
    expect("local-dir:my model", "my model", "my model", "");
    expect("my model/model.safetensors", "my model", "my model", "");
    expect(".", ".", "local", "");
    expect("org/repo", "org/repo", "repo", "");
    expect(clip, "snapshots/" COMMIT, clip, COMMIT);
    expect("hf-hub:openai/clip-vit-base-patch32", "snapshots/" COMMIT, clip, COMMIT);
    expect("hf-hub:openai/clip-vit-base-patch32@main", "snapshots/" COMMIT, clip, COMMIT);
    expect("openai/clip-vit-base-patch32@" OTHER, "snapshots/" OTHER, clip, OTHER);
    expect("openai/clip-vit-base-patch32@refs/pr/1", "snapshots/" OTHER, clip, OTHER);
    expect("hf-hub:gpt2", "snapshots/" COMMIT, "gpt2", COMMIT);
    expect("ViT-B-32/openai", "snapshots/" OTHER, timm, OTHER);
    expect("ViT-B-32,openai", "snapshots/" OTHER, timm, OTHER);
    expect("ViT-B-32::openai", "snapshots/" OTHER, timm, OTHER);
    expect("ViT-B-32__openai", "snapshots/" OTHER, timm, OTHER);
    expect("ViT-B-32-quickgelu,openai", "snapshots/" OTHER, timm, OTHER);
}

static void test_snapshot_by_path(void **state) {
    (void)state;
    char path[1024];
    snprintf(path, sizeof path, "%s/models--openai--clip-vit-base-patch32/snapshots/%s", cache,
             COMMIT);
    expect(path, COMMIT, "openai/clip-vit-base-patch32", COMMIT);
}

static void test_not_found(void **state) {
    (void)state;
    static const struct {
        const char *spec;
        ken_status status;
        const char *message, *hint;
    } cases[] = {
        {"", KEN_BAD_ARGUMENT, "the model's name is empty", ""},
        {"nowhere", KEN_NOT_FOUND, "model 'nowhere' is not there", "'demo'"},
        {"./org/nowhere", KEN_NOT_FOUND, "model './org/nowhere' is not there", "ORG/REPO"},
        {"local-dir:openai/clip-vit-base-patch32", KEN_NOT_FOUND, "model directory", ""},
        {"my model/pytorch_model.bin", KEN_UNSUPPORTED, "neither a directory nor a .safetensors",
         "give the directory"},
        {"laion/absent", KEN_NOT_FOUND, "model 'laion/absent' is not on this machine",
         "hf download laion/absent,"},
        {"laion/gone", KEN_NOT_FOUND, "is not on this machine", "hf download laion/gone,"},
        {"laion/evil", KEN_NOT_FOUND, "is not on this machine", "hf download"},
        {"openai/clip-vit-base-patch32@v9", KEN_NOT_FOUND, "patch32@v9' is not on this machine",
         "--revision v9,"},
        {"ViT-L-14,openai", KEN_NOT_FOUND, "model 'timm/vit_large_patch14_clip_224.openai'",
         "hf download timm/vit_large"},
        {"hf-hub:../../etc", KEN_BAD_ARGUMENT, "does not name a repository", "ORG/REPO"},
        {"hf-hub:a/b/c", KEN_BAD_ARGUMENT, "does not name a repository", "ORG/REPO"},
        {"hf-hub:a/b@../x", KEN_BAD_ARGUMENT, "does not name a repository", "ORG/REPO"},
        {"hf-hub:", KEN_BAD_ARGUMENT, "does not name a repository", "ORG/REPO"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        model_location got;
        ken_error err;
        assert_error(resolve(cases[i].spec, &got, &err), cases[i].status, err, cases[i].message);
        assert_non_null(strstr(err.hint, cases[i].hint));
        assert_null(got.dir);
    }
}

static void test_nothing_configured(void **state) {
    (void)state;
    model_location got;
    ken_error err;
    const char *const none[] = {NULL};
    assert_error(model_resolve("demo", NULL, none, &got, &err), KEN_NOT_FOUND, err,
                 "demonstration model is not installed");
    assert_error(model_resolve("demo", NULL, NULL, &got, &err), KEN_NOT_FOUND, err,
                 "demonstration model is not installed");
    assert_error(model_resolve("a/b", NULL, none, &got, &err), KEN_NOT_FOUND, err,
                 "no cache folder");
}

static void test_out_of_memory(void **state) {
    (void)state;
    static const char *const specs[] = {"demo", "my model", "hf-hub:gpt2"};
    for (size_t i = 0; i < sizeof specs / sizeof *specs; i++) {
        ken_status status = KEN_INTERNAL;
        for (uint64_t n = 1; status != KEN_OK && n < 50; n++) {
            model_location got;
            mem_fail_after(n, true);
            status = resolve(specs[i], &got, NULL);
            mem_fail_after(0, false);
            if (status != KEN_OK)
                assert_null(got.dir);
            model_location_free(&got);
        }
        assert_int_equal(status, KEN_OK);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_found),         cmocka_unit_test(test_snapshot_by_path),
        cmocka_unit_test(test_not_found),     cmocka_unit_test(test_nothing_configured),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, setup, scratch_remove);
}
