/* Ids against the references': every text of texts.jsonl through every tokenizer of
 * tests/data/text, the built-in CLIP vocabulary against OpenCLIP, and the 26 vectors of
 * transformers.js. */
#include "base/doc.h"
#include "base/file.h"
#include "base/hash.h"
#include "text/tokenizer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DATA KEN_TEST_DATA "/text/"

enum { max_context = 77, digest_digits = 12 };

static void read_whole(const char *path, buf *out) {
    ken_error err;
    buf_init(out, 64 << 20);
    if (file_read(path, out, &err) != KEN_OK)
        fail_msg("%s", err.message);
}

/* The bytes of a line: a JSON string, or {"hex": "..."}. */
static void parse_text(const char *line, size_t size, buf *out) {
    ken_error err;
    json_t *value;
    if (doc_parse(line, size, "texts.jsonl", &value, &err) != KEN_OK)
        fail_msg("%s", err.message);
    buf_clear(out);
    if (json_is_string(value)) {
        buf_append(out, json_string_value(value), json_string_length(value));
    } else {
        const char *hex = json_string_value(json_object_get(value, "hex"));
        for (; *hex; hex += 2) {
            char byte[3] = {hex[0], hex[1], 0};
            buf_putc(out, (char)strtol(byte, NULL, 16));
        }
    }
    json_decref(value);
}

static void digest(const int32_t *ids, int n, char out[HASH_SHA256_HEX]) {
    unsigned char bytes[4 * max_context];
    for (int i = 0; i < n; i++)
        for (int k = 0; k < 4; k++)
            bytes[4 * i + k] = (unsigned char)((uint32_t)ids[i] >> (8 * k));
    assert_int_equal(hash_sha256(bytes, (size_t)n * 4, out, NULL), KEN_OK);
}

static void check_line(const tokenizer *t, const buf *text, const char *golden, int number) {
    int32_t ids[max_context];
    int n = tokenizer_context_length(t);
    char got[HASH_SHA256_HEX];
    ken_error err;
    tokenizer_result result;
    if (tokenizer_encode(t, text->data ? text->data : "", text->size, ids, &result, &err) != KEN_OK)
        fail_msg("text %d: %s", number, err.message);
    digest(ids, n, got);
    if (strncmp(got, golden, digest_digits) != 0) {
        fprintf(stderr, "got");
        for (int i = 0; i < n; i++)
            fprintf(stderr, " %d", ids[i]);
        fail_msg("text %d '%s': expected %.400s", number, text->data ? text->data : "",
                 strcspn(golden, "\n") > digest_digits ? golden + digest_digits : "another digest");
    }
    assert_in_range(result.n_tokens, 0, n);
}

static void check_goldens(const char *name, const char *dir, const tokenizer_options *options) {
    ken_error err;
    tokenizer *t;
    buf texts, goldens, text;
    char path[512];
    if (tokenizer_load(dir, options, &t, &err) != KEN_OK)
        fail_msg("%s: %s", name, err.message);
    read_whole(DATA "texts.jsonl", &texts);
    snprintf(path, sizeof path, DATA "goldens/%s.txt", name);
    read_whole(path, &goldens);
    buf_init(&text, 1 << 20);
    const char *line = texts.data, *golden = goldens.data;
    int n = 0;
    while (*line) {
        size_t size = strcspn(line, "\n");
        parse_text(line, size, &text);
        check_line(t, &text, golden, ++n);
        line += size + 1;
        golden += strcspn(golden, "\n") + 1;
    }
    assert_string_equal(golden, "");
    assert_in_range(n, 1000, 100000);
    buf_free(&texts);
    buf_free(&goldens);
    buf_free(&text);
    tokenizer_free(t);
}

#define GOLDEN_TEST(test, name, dir, ...)                                                          \
    static void test(void **state) {                                                               \
        (void)state;                                                                               \
        check_goldens(name, dir, &(tokenizer_options){__VA_ARGS__});                               \
    }

GOLDEN_TEST(test_open_clip, "open-clip", NULL, .kind = TOKENIZER_CLIP_OPEN_CLIP,
            .context_length = 77, .vocab_size = 49408)
GOLDEN_TEST(test_clip, "clip", DATA "clip", .kind = TOKENIZER_CLIP_HF, .context_length = 77)
GOLDEN_TEST(test_clip_legacy, "clip-legacy", DATA "clip-legacy", .kind = TOKENIZER_CLIP_HF,
            .context_length = 77)
GOLDEN_TEST(test_siglip, "siglip", DATA "siglip", .kind = TOKENIZER_FROM_FILE, .context_length = 64,
            .siglip = true)
GOLDEN_TEST(test_t5, "t5", DATA "t5", .kind = TOKENIZER_FROM_FILE, .context_length = 64)
GOLDEN_TEST(test_t5_bytes, "t5-bytes", DATA "t5-bytes", .kind = TOKENIZER_FROM_FILE,
            .context_length = 64)
GOLDEN_TEST(test_t5_canonicalize, "t5-canonicalize", DATA "t5", .kind = TOKENIZER_FROM_FILE,
            .context_length = 64, .clean = TOKENIZER_CLEAN_CANONICALIZE)
GOLDEN_TEST(test_siglip2, "siglip2", DATA "siglip2", .kind = TOKENIZER_FROM_FILE,
            .context_length = 64)
GOLDEN_TEST(test_gemma, "gemma", DATA "gemma", .kind = TOKENIZER_FROM_FILE, .context_length = 64)
GOLDEN_TEST(test_splits, "splits", DATA "splits", .kind = TOKENIZER_FROM_FILE, .context_length = 32)

/* "owlvit" has "!" as an added token; its vector for "!!" is of that tokenizer only. */
static bool is_for_clip(const json_t *vector) {
    return strstr(json_string_value(json_object_get(vector, "model")), "owlvit") == NULL ||
           strcmp(json_string_value(json_object_get(vector, "name")), "PUNCTUATION") != 0;
}

static void write_file(const char *dir, const char *name, const buf *text) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text->data, 1, text->size, file), text->size);
    assert_int_equal(fclose(file), 0);
}

/* Writes the built-in vocabulary as Hugging Face directories hold it. */
static void write_standard_clip(const char *dir) {
    const tokenizer_options options = {.kind = TOKENIZER_CLIP_OPEN_CLIP, .context_length = 77};
    tokenizer *t;
    buf vocab, merges;
    assert_int_equal(tokenizer_load(NULL, &options, &t, NULL), KEN_OK);
    buf_init(&vocab, 8 << 20);
    for (int32_t id = 0; id < 49406; id++) {
        const char *piece = tokenizer_piece(t, id);
        buf_puts(&vocab, id ? "," : "{");
        buf_put_json(&vocab, piece, strlen(piece));
        buf_printf(&vocab, ":%d", id);
    }
    buf_puts(&vocab, ",\"<|startoftext|>\":49406,\"<|endoftext|>\":49407}");
    read_whole(KEN_SOURCE_DIR "/src/text/data/clip_merges.txt", &merges);
    write_file(dir, "vocab.json", &vocab);
    write_file(dir, "merges.txt", &merges);
    buf_free(&vocab);
    buf_free(&merges);
    tokenizer_free(t);
}

static void check_vector(const tokenizer *t, const json_t *vector) {
    const json_t *text = json_object_get(vector, "text"), *ids = json_object_get(vector, "ids");
    int32_t got[max_context];
    tokenizer_result result;
    ken_error err;
    if (tokenizer_encode(t, json_string_value(text), json_string_length(text), got, &result,
                         &err) != KEN_OK)
        fail_msg("%s", err.message);
    /* The vectors are not truncated; ours keep the end token. */
    size_t n = json_array_size(ids);
    assert_int_equal(result.truncated, n > max_context);
    n = n > max_context ? max_context - 1 : n;
    for (size_t k = 0; k < n; k++)
        if (got[k] != json_integer_value(json_array_get(ids, k)))
            fail_msg("'%s': id %zu is %d", json_string_value(text), k, got[k]);
}

static void test_clip_vectors(void **state) {
    (void)state;
    char dir[] = "/tmp/ken-text-XXXXXX";
    assert_non_null(mkdtemp(dir));
    write_standard_clip(dir);
    const tokenizer_options options = {
        .kind = TOKENIZER_CLIP_HF, .context_length = 77, .vocab_size = 49408};
    ken_error err;
    json_t *vectors;
    tokenizer *t;
    if (tokenizer_load(dir, &options, &t, &err) != KEN_OK)
        fail_msg("%s", err.message);
    assert_int_equal(tokenizer_pad_id(t), 49407);
    assert_int_equal(tokenizer_begin_id(t), 49406);
    assert_int_equal(tokenizer_end_id(t), 49407);
    assert_int_equal(doc_read(DATA "clip_vectors.json", 1 << 20, &vectors, &err), KEN_OK);
    size_t n_same = 0;
    for (size_t i = 0; i < json_array_size(vectors); i++) {
        if (is_for_clip(json_array_get(vectors, i))) {
            check_vector(t, json_array_get(vectors, i));
            n_same++;
        }
    }
    assert_int_equal(n_same, 25);
    json_decref(vectors);
    tokenizer_free(t);
    const char *const names[] = {"vocab.json", "merges.txt"};
    for (size_t i = 0; i < 2; i++) {
        char path[256];
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        assert_int_equal(remove(path), 0);
    }
    assert_int_equal(remove(dir), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open_clip),
        cmocka_unit_test(test_clip),
        cmocka_unit_test(test_clip_legacy),
        cmocka_unit_test(test_siglip),
        cmocka_unit_test(test_t5),
        cmocka_unit_test(test_t5_bytes),
        cmocka_unit_test(test_t5_canonicalize),
        cmocka_unit_test(test_siglip2),
        cmocka_unit_test(test_gemma),
        cmocka_unit_test(test_splits),
        cmocka_unit_test(test_clip_vectors),
    };
    return cmocka_run_group_tests_name("text_goldens", tests, NULL, NULL);
}
