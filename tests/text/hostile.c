/* Hostile tokenizer files and texts: every lie has its error; nothing is slow, nothing is read past
 * its end (the sanitizer build runs this too). */
#include "base/buf.h"
#include "base/file.h"
#include "base/mem.h"
#include "text/tokenizer_parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define DATA KEN_TEST_DATA "/text/"

static const tokenizer_options from_file = {.kind = TOKENIZER_FROM_FILE, .context_length = 8};

/* Parses a tokenizer.json as loading a directory would. */
static ken_status parse(const char *text, size_t size, const tokenizer_options *options,
                        tokenizer **out, ken_error *err) {
    TRY(tokenizer_new(options, out, err));
    ken_status status = tokenizer_parse_json(*out, text, size, NULL, "tokenizer.json", err);
    return status == KEN_OK ? tokenizer_finish(*out, err) : status;
}

static void expect_error(const char *json, ken_status status, const char *message) {
    ken_error err = {0};
    tokenizer *t = NULL;
    ken_status got = parse(json, strlen(json), &from_file, &t, &err);
    tokenizer_free(t);
    if (got != status || !strstr(err.message, message))
        fail_msg("%s\n  gave %s '%s'\n  expected %s '%s'", json, ken_status_name(got), err.message,
                 ken_status_name(status), message);
}

#define MODEL(fields) "{\"model\":{\"type\":\"BPE\"," fields "}}"
#define SMALL         "\"vocab\":{\"a\":0,\"b\":1,\"ab\":2,\"<pad>\":3},\"merges\":[\"a b\"]"
#define WITH(section) "{" section ",\"model\":{\"type\":\"BPE\"," SMALL "}}"

static void test_bad_models(void **state) {
    (void)state;
    static const struct {
        const char *json;
        ken_status status;
        const char *message;
    } cases[] = {
        {"", KEN_BAD_FORMAT, "'tokenizer.json' is not valid JSON"},
        {"[1]", KEN_BAD_FORMAT, "'model' is missing"},
        {"{\"model\":[]}", KEN_BAD_FORMAT, "'model' is an array, expected an object"},
        {"{\"model\":{\"type\":\"WordPiece\"}}", KEN_UNSUPPORTED,
         "model 'WordPiece' is not supported"},
        {"{\"model\":{}}", KEN_UNSUPPORTED, "model 'unknown' is not supported"},
        {MODEL("\"merges\":[]"), KEN_BAD_FORMAT, "the vocabulary is not an object"},
        {MODEL("\"vocab\":{\"a\":\"0\"},\"merges\":[]"), KEN_BAD_FORMAT,
         "the id of token 'a' is no integer"},
        {MODEL("\"vocab\":{\"a\":-1},\"merges\":[]"), KEN_BAD_FORMAT, "token 'a' has id -1"},
        {MODEL("\"vocab\":{\"a\":16777216},\"merges\":[]"), KEN_BAD_FORMAT, "expected 0 to"},
        {MODEL("\"vocab\":{\"a\":0,\"b\":0},\"merges\":[]"), KEN_BAD_FORMAT,
         "tokens 'a' and 'b' both have id 0"},
        {MODEL("\"vocab\":{\"a\":0,\"a\":1},\"merges\":[]"), KEN_BAD_FORMAT, "duplicate"},
        {MODEL("\"vocab\":{\"a\":0}"), KEN_BAD_FORMAT, "'merges' is missing or not an array"},
        {MODEL("\"vocab\":{\"a\":0},\"merges\":[7]"), KEN_BAD_FORMAT,
         "merge 0 is neither a string nor a pair"},
        {MODEL("\"vocab\":{\"a\":0},\"merges\":[\"a\"]"), KEN_BAD_FORMAT, "expected two tokens"},
        {MODEL("\"vocab\":{\"a\":0},\"merges\":[\"a a\"]"), KEN_BAD_FORMAT,
         "the whole is not in the vocabulary"},
        {MODEL("\"vocab\":{\"a\":0},\"merges\":[[\"b\",\"a\"]]"), KEN_BAD_FORMAT,
         "the first part is not in the vocabulary"},
        {MODEL("\"vocab\":{\"a\":0},\"merges\":[[\"a\",\"b\"]]"), KEN_BAD_FORMAT,
         "the second part is not in the vocabulary"},
        {MODEL("\"dropout\":0.1," SMALL), KEN_UNSUPPORTED, "'dropout' 0.1 is not supported"},
        {MODEL("\"unk_token\":\"<x>\"," SMALL), KEN_BAD_FORMAT,
         "the unknown token '<x>' is not in the vocabulary"},
        {MODEL("\"end_of_word_suffix\":\"0123456789012345678901234567890123\"," SMALL),
         KEN_TOO_LARGE, "'end_of_word_suffix' has 34 bytes"},
        {"{\"model\":{\"type\":\"Unigram\",\"vocab\":{}}}", KEN_BAD_FORMAT,
         "the vocabulary is not a filled array"},
        {"{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",\"b\"]]}}", KEN_BAD_FORMAT,
         "entry 0 of the vocabulary is not a piece and a score"},
        {"{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",0],[\"a\",0]]}}", KEN_BAD_FORMAT,
         "token 'a' is there twice"},
        {"{\"model\":{\"type\":\"Unigram\",\"unk_id\":1,\"vocab\":[[\"a\",0]]}}", KEN_BAD_FORMAT,
         "'unk_id' is 1, expected 0 to 0"},
        {MODEL("\"vocab\":{\"a\":0},\"merges\":[]"), KEN_BAD_FORMAT, "names no padding token"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_error(cases[i].json, cases[i].status, cases[i].message);
}

static void test_bad_steps(void **state) {
    (void)state;
    static const struct {
        const char *json;
        ken_status status;
        const char *message;
    } cases[] = {
        {WITH("\"normalizer\":{\"type\":\"BertNormalizer\"}"), KEN_UNSUPPORTED,
         "normalizer 'BertNormalizer' is not supported"},
        {WITH("\"normalizer\":{}"), KEN_BAD_FORMAT, "a step of 'normalizer' has no 'type'"},
        {WITH("\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Fold\"}]}"),
         KEN_UNSUPPORTED, "normalizer 'Fold' is not supported"},
        {WITH("\"normalizer\":{\"type\":\"Replace\",\"content\":\"x\"}"), KEN_BAD_FORMAT,
         "neither 'String' nor 'Regex'"},
        {WITH("\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"Regex\":\"(\"},\"content\":"
              "\"\"}"),
         KEN_UNSUPPORTED, "pattern '(' is not supported at character 1"},
        {WITH("\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"*\"}"),
         KEN_BAD_FORMAT, "'precompiled_charsmap' is not base64"},
        {WITH("\"normalizer\":{\"type\":\"Precompiled\",\"precompiled_charsmap\":\"/////w==\"}"),
         KEN_BAD_FORMAT, "the precompiled map says its tree has"},
        {WITH("\"pre_tokenizer\":{\"type\":\"Punctuation\"}"), KEN_UNSUPPORTED,
         "pre-tokenizer 'Punctuation' is not supported"},
        {WITH("\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"String\":\" \"},"
              "\"behavior\":\"Odd\",\"invert\":false}"),
         KEN_BAD_FORMAT, "'behavior' of a split is 'Odd'"},
        {WITH("\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":\"ab\"}"), KEN_BAD_FORMAT,
         "'replacement' is 'ab', expected one character"},
        {WITH("\"post_processor\":{\"type\":\"Magic\"}"), KEN_UNSUPPORTED,
         "post-processor 'Magic' is not supported"},
        {WITH("\"post_processor\":{\"type\":\"RobertaProcessing\",\"cls\":[\"a\",-5]}"),
         KEN_BAD_FORMAT, "'cls' of the post-processor has no valid id"},
        {WITH("\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":"
              "{\"id\":\"x\"}}]}"),
         KEN_BAD_FORMAT, "special token 'x' is not listed"},
        {WITH("\"added_tokens\":[{\"id\":1}]"), KEN_BAD_FORMAT, "an added token has no 'content'"},
        {WITH("\"added_tokens\":[{\"content\":\"new\",\"id\":1}]"), KEN_BAD_FORMAT,
         "tokens 'b' and 'new' both have id 1"},
        {WITH("\"added_tokens\":[{\"content\":\"new\"}]"), KEN_BAD_FORMAT, "'new' has id -1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_error(cases[i].json, cases[i].status, cases[i].message);
}

static void test_many_steps_and_nesting(void **state) {
    (void)state;
    buf json;
    buf_init(&json, 1 << 20);
    buf_puts(&json, "{\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[");
    for (int i = 0; i < 20; i++)
        buf_puts(&json, i ? ",{\"type\":\"NFC\"}" : "{\"type\":\"NFC\"}");
    buf_puts(&json, "]},\"model\":{\"type\":\"BPE\"," SMALL "}}");
    expect_error(json.data, KEN_TOO_LARGE, "more than 16 normalizer steps");
    buf_clear(&json);
    for (int i = 0; i < 100000; i++)
        buf_putc(&json, '[');
    expect_error(json.data, KEN_BAD_FORMAT, "nests deeper than 1024 levels");
    buf_free(&json);
}

static void test_ids_beyond_the_model(void **state) {
    (void)state;
    static const char json[] = MODEL(SMALL);
    ken_error err;
    tokenizer *t = NULL;
    tokenizer_options options = from_file;
    options.vocab_size = 3;
    int32_t ids[8];
    assert_int_equal(parse(json, strlen(json), &options, &t, &err), KEN_OK);
    assert_int_equal(tokenizer_encode(t, "ab", 2, ids, NULL, &err), KEN_BAD_FORMAT);
    assert_string_equal(err.message,
                        "token '<pad>' has id 3, but the model's vocabulary has 3 tokens");
    assert_int_equal(tokenizer_encode(t, "abababababababab", 16, ids, NULL, &err), KEN_OK);
    tokenizer_free(t);
    options.context_length = 0;
    assert_int_equal(tokenizer_new(&options, &t, &err), KEN_BAD_ARGUMENT);
    assert_string_equal(err.message, "context_length is 0, expected 1 to 1048576");
}

static void test_byte_tokens_need_not_be_there(void **state) {
    (void)state;
    /* "<0x-1>" is a token like others; the bytes of 'é' have none, so nothing stands for it. */
    static const char json[] = MODEL("\"byte_fallback\":true,\"vocab\":{\"a\":0,\"<0x-1>\":1,\"<"
                                     "0xC3>\":2,\"<pad>\":3},\"merges\":[]");
    ken_error err;
    tokenizer *t = NULL;
    int32_t ids[8];
    tokenizer_result result;
    assert_int_equal(parse(json, strlen(json), &from_file, &t, &err), KEN_OK);
    assert_int_equal(tokenizer_encode(t,
                                      "a\xc3\xa9"
                                      "a",
                                      4, ids, &result, &err),
                     KEN_OK);
    assert_int_equal(result.n_tokens, 2);
    assert_int_equal(ids[0], 0);
    assert_int_equal(ids[2], 3);
    tokenizer_free(t);
}

static void test_unigram_without_unknown(void **state) {
    (void)state;
    static const char json[] =
        "{\"model\":{\"type\":\"Unigram\",\"vocab\":[[\"a\",-1],[\"<pad>\",0]]}}";
    ken_error err;
    tokenizer *t = NULL;
    int32_t ids[8];
    assert_int_equal(parse(json, strlen(json), &from_file, &t, &err), KEN_OK);
    assert_int_equal(tokenizer_encode(t, "ab", 2, ids, NULL, &err), KEN_BAD_FORMAT);
    assert_non_null(strstr(err.message, "a character that the vocabulary lacks"));
    tokenizer_free(t);
}

static void test_every_prefix_of_a_model(void **state) {
    (void)state;
    buf bytes;
    ken_error err;
    buf_init(&bytes, 1 << 20);
    assert_int_equal(file_read(DATA "siglip/spiece.model", &bytes, &err), KEN_OK);
    for (size_t size = 0; size < bytes.size; size += size < 400 ? 1 : 7919) {
        /* An exact copy, so that the sanitizer sees a read past the end. */
        char *part = malloc(size ? size : 1);
        assert_non_null(part);
        memcpy(part, bytes.data, size);
        tokenizer *t = NULL;
        assert_int_equal(tokenizer_new(&from_file, &t, &err), KEN_OK);
        ken_status status =
            tokenizer_parse_sentencepiece(t, part, size, NULL, "spiece.model", &err);
        assert_true(status == KEN_OK || status == KEN_BAD_FORMAT);
        if (status != KEN_OK)
            assert_non_null(strstr(err.message, "'spiece.model'"));
        tokenizer_free(t);
        free(part);
    }
    buf_free(&bytes);
}

static void test_missing_files(void **state) {
    (void)state;
    ken_error err;
    tokenizer *t;
    tokenizer_options options = from_file;
    assert_int_equal(tokenizer_load(DATA "goldens", &options, &t, &err), KEN_NOT_FOUND);
    assert_non_null(strstr(err.message, "holds no tokenizer"));
    assert_non_null(strstr(err.hint, "put tokenizer.json or spiece.model into the directory"));
    options.kind = TOKENIZER_CLIP_HF;
    assert_int_equal(tokenizer_load(DATA "goldens", &options, &t, &err), KEN_NOT_FOUND);
    assert_non_null(strstr(err.hint, "vocab.json and merges.txt"));
    assert_int_equal(tokenizer_load(NULL, &options, &t, &err), KEN_BAD_ARGUMENT);
    assert_null(t);
}

static void check_long(const tokenizer *t, const char *unit, size_t size) {
    buf text;
    int32_t ids[77];
    ken_error err;
    tokenizer_result result;
    buf_init(&text, size + 64);
    while (text.size < size)
        buf_puts(&text, unit);
    clock_t begin = clock();
    assert_int_equal(tokenizer_encode(t, text.data, text.size, ids, &result, &err), KEN_OK);
    double seconds = (double)(clock() - begin) / CLOCKS_PER_SEC;
    /* Quadratic work would take minutes. */
    if (seconds > 20)
        fail_msg("'%s' repeated to %zu bytes took %.1f s", unit, size, seconds);
    buf_free(&text);
}

static void test_long_lines(void **state) {
    (void)state;
#ifdef KEN_SANITIZED
    const size_t size = 200 * 1000;
#else
    const size_t size = 1000 * 1000;
#endif
    static const char *const units[] = {"a",
                                        "!",
                                        "<",
                                        "&",
                                        "&amp;",
                                        "\x1b[",
                                        "\xff",
                                        "Σ",
                                        "Ã©",
                                        "a\u0301\u0327\u0334",
                                        "\u0345\u0334",
                                        "'s",
                                        "</s>",
                                        "Ã© Ā"};
    static const struct {
        const char *dir;
        tokenizer_kind kind;
        bool siglip;
    } kinds[] = {{NULL, TOKENIZER_CLIP_OPEN_CLIP, false},
                 {DATA "clip", TOKENIZER_CLIP_HF, false},
                 {DATA "siglip", TOKENIZER_FROM_FILE, true},
                 {DATA "siglip2", TOKENIZER_FROM_FILE, false}};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        const tokenizer_options options = {
            .kind = kinds[k].kind, .context_length = 77, .siglip = kinds[k].siglip};
        tokenizer *t;
        ken_error err;
        assert_int_equal(tokenizer_load(kinds[k].dir, &options, &t, &err), KEN_OK);
        for (size_t i = 0; i < sizeof units / sizeof *units; i++)
            check_long(t, units[i], size);
        tokenizer_free(t);
    }
}

static void test_too_long_a_text(void **state) {
    (void)state;
    const tokenizer_options options = {.kind = TOKENIZER_CLIP_OPEN_CLIP, .context_length = 77};
    tokenizer *t;
    ken_error err;
    int32_t ids[77];
    assert_int_equal(tokenizer_load(NULL, &options, &t, &err), KEN_OK);
    assert_int_equal(tokenizer_encode(t, "", (size_t)17 << 20, ids, NULL, &err), KEN_TOO_LARGE);
    assert_string_equal(err.message, "a text of 17825792 bytes, the limit is 16777216");
    tokenizer_free(t);
}

/* The K-th allocation fails, for every K: an error each time, and nothing leaks. */
static void test_no_memory(void **state) {
    (void)state;
    static const char *const dirs[] = {DATA "clip-legacy", DATA "t5", DATA "splits"};
    for (size_t d = 0; d < 3; d++) {
        const tokenizer_options options = {.kind = d ? TOKENIZER_FROM_FILE : TOKENIZER_CLIP_HF,
                                           .context_length = 32};
        ken_status status = KEN_NO_MEMORY;
        for (uint64_t k = 1; status != KEN_OK; k++) {
            tokenizer *t = NULL;
            ken_error err = {0};
            int32_t ids[32];
            mem_fail_after(k, true);
            status = tokenizer_load(dirs[d], &options, &t, &err);
            if (status == KEN_OK)
                status = tokenizer_encode(t, "a \xc3\xa9 123 Kenword", 17, ids, NULL, &err);
            mem_fail_after(0, false);
            tokenizer_free(t);
            if (status != KEN_OK)
                assert_true(err.message[0] != '\0');
            assert_true(k < 100000);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_models),
        cmocka_unit_test(test_bad_steps),
        cmocka_unit_test(test_many_steps_and_nesting),
        cmocka_unit_test(test_ids_beyond_the_model),
        cmocka_unit_test(test_byte_tokens_need_not_be_there),
        cmocka_unit_test(test_unigram_without_unknown),
        cmocka_unit_test(test_every_prefix_of_a_model),
        cmocka_unit_test(test_missing_files),
        cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_too_long_a_text),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests_name("text_hostile", tests, NULL, NULL);
}
