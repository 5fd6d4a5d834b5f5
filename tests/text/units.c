/* What the goldens do not show: token counts, truncation, sides of padding, pieces, and the small
 * readers on their own. */
#include "text/base64.h"
#include "text/charsmap.h"
#include "text/ftfy.h"
#include "text/html.h"
#include "text/protobuf.h"
#include "text/tables_json.h"
#include "text/tokenizer.h"
#include "text/unicode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define DATA KEN_TEST_DATA "/text/"

static tokenizer *load(const char *dir, tokenizer_kind kind, int context) {
    const tokenizer_options options = {.kind = kind, .context_length = context};
    tokenizer *t;
    ken_error err;
    if (tokenizer_load(dir, &options, &t, &err) != KEN_OK)
        fail_msg("%s", err.message);
    return t;
}

static tokenizer_result encode(const tokenizer *t, const char *text, int32_t *ids) {
    tokenizer_result result = {0};
    assert_int_equal(tokenizer_encode(t, text, strlen(text), ids, &result, NULL), KEN_OK);
    return result;
}

static void test_counts_and_truncation(void **state) {
    (void)state;
    int32_t ids[8];
    tokenizer *t = load(NULL, TOKENIZER_CLIP_OPEN_CLIP, 5);
    tokenizer_result result = encode(t, "", ids);
    assert_int_equal(result.n_tokens, 2);
    assert_false(result.truncated);
    assert_memory_equal(ids, ((int32_t[]){49406, 49407, 0, 0, 0}), 20);
    result = encode(t, "a a a", ids);
    assert_int_equal(result.n_tokens, 5);
    assert_false(result.truncated);
    result = encode(t, "a a a a", ids);
    assert_int_equal(result.n_tokens, 5);
    assert_true(result.truncated);
    assert_int_equal(ids[4], 49407);
    size_t n_all = 0;
    assert_int_equal(tokenizer_count(t, "a a a a", 7, &n_all, NULL), KEN_OK);
    assert_int_equal(n_all, 6);
    assert_int_equal(tokenizer_count(t, "", 0, &n_all, NULL), KEN_OK);
    assert_int_equal(n_all, 2);
    assert_int_equal(tokenizer_pad_id(t), 0);
    assert_int_equal(tokenizer_context_length(t), 5);
    assert_string_equal(tokenizer_piece(t, 49406), "<start_of_text>");
    assert_string_equal(tokenizer_piece(t, 320), "a</w>");
    assert_null(tokenizer_piece(t, 49408));
    assert_null(tokenizer_piece(t, -1));
    tokenizer_free(t);
}

static void test_padding_on_the_left(void **state) {
    (void)state;
    int32_t ids[8];
    tokenizer *t = load(DATA "gemma", TOKENIZER_FROM_FILE, 8);
    tokenizer_result result = encode(t, "a", ids);
    assert_in_range(result.n_tokens, 3, 4);
    assert_int_equal(ids[0], tokenizer_pad_id(t));
    assert_int_equal(ids[8 - result.n_tokens], tokenizer_begin_id(t));
    assert_int_equal(ids[7], tokenizer_end_id(t));
    tokenizer_free(t);
}

/* A text through one of the cleaning steps. */
static void check_codes(void (*step)(const codes *, codes *), const char *text,
                        const char *expected) {
    codes in = {0}, out = {0};
    buf got;
    buf_init(&got, 4096);
    codes_append_utf8(&in, text, strlen(text));
    step(&in, &out);
    codes_put_utf8(&got, out.data, out.size);
    assert_string_equal(got.data ? got.data : "", expected);
    codes_free(&in);
    codes_free(&out);
    buf_free(&got);
}

static void test_html(void **state) {
    (void)state;
    check_codes(html_unescape, "&lt;&ampx&notit;&#x41;&#128;&#xD800;&#1;", "<&x¬it;A€\uFFFD");
    check_codes(html_unescape, "&;&#;&#x;& &a", "&;&#;&#x;& &a");
    check_codes(html_unescape_strict, "&amp &amp; &NTILDE; &nTILDE; &#59;",
                "&amp & Ñ &nTILDE; &#59;");
}

static void test_lower_case(void **state) {
    (void)state;
    check_codes(unicode_lower_python, "ΟΔΥΣΣΕΥΣ ΑΣ' Σ İ", "οδυσσευς ας' σ i\u0307");
    check_codes(unicode_lower_hf, "ΟΔΥΣ İ", "οδυσ i\u0307");
}

static void test_ftfy(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"voilÃ  le travail", "voilà le travail"},
        {"âœ” No problems", "✔ No problems"},
        {"&macr;\\_(ã\xc2\x83\xc2\x84)_/&macr;", "¯\\_(ツ)_/¯"},
        {"Broken text&hellip; it&#x2019;s ﬂubberiﬁc!", "Broken text… it's flubberific!"},
        {"ＬＯＵＤ　ＮＯＩＳＥＳ", "LOUD NOISES"},
        {"P&EACUTE;REZ", "PÉREZ"},
        {"<b>&amp;</b>", "<b>&amp;</b>"},
        {"\x1b[36;44mI'm blue\x1b[0m", "I'm blue"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        codes text = {0};
        buf got;
        buf_init(&got, 4096);
        codes_append_utf8(&text, cases[i][0], strlen(cases[i][0]));
        assert_int_equal(ftfy_fix_text(&text, NULL), KEN_OK);
        codes_put_utf8(&got, text.data, text.size);
        assert_string_equal(got.data, cases[i][1]);
        codes_free(&text);
        buf_free(&got);
    }
}

static void test_base64(void **state) {
    (void)state;
    buf out;
    buf_init(&out, 64);
    assert_true(base64_decode(&out, "a2VuIQ==", 8));
    assert_string_equal(out.data, "ken!");
    assert_false(base64_decode(&out, "a", 1));
    assert_false(base64_decode(&out, "a*bc", 4));
    buf_free(&out);
}

static void test_protobuf(void **state) {
    (void)state;
    static const uint8_t bytes[] = {0x08, 0x96, 0x01, 0x12, 0x02, 'h', 'i', 0x1D, 0, 0, 0x80, 0x3F};
    protobuf message = {bytes, sizeof bytes, 0};
    protobuf_field field;
    ken_status status = KEN_OK;
    ken_error err;
    assert_true(protobuf_next(&message, &field, &status, &err));
    assert_int_equal(field.value, 150);
    assert_true(protobuf_next(&message, &field, &status, &err));
    assert_memory_equal(field.bytes.data, "hi", 2);
    assert_true(protobuf_next(&message, &field, &status, &err));
    assert_true(protobuf_float(&field, 0) == 1.0f);
    assert_false(protobuf_next(&message, &field, &status, &err));
    assert_int_equal(status, KEN_OK);
    message = (protobuf){bytes, 6, 0};
    assert_true(protobuf_next(&message, &field, &status, &err));
    assert_false(protobuf_next(&message, &field, &status, &err));
    assert_int_equal(status, KEN_BAD_FORMAT);
    assert_int_equal(err.offset, 3);
    assert_string_equal(err.message,
                        "a protocol buffer of 6 bytes breaks off or is damaged at byte 3");
}

static void test_charsmap_stays_inside(void **state) {
    (void)state;
    /* One unit that points far outside; a lookup finds nothing. */
    static const uint8_t blob[] = {4, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0x7F, 'x', 0};
    charsmap map;
    size_t length;
    assert_int_equal(charsmap_init(&map, blob, sizeof blob, NULL), KEN_OK);
    for (int c = 1; c < 256; c++) {
        char text[2] = {(char)c, 'b'};
        assert_null(charsmap_find(&map, text, 2, true, &length));
    }
    charsmap_free(&map);
}

static void test_tables_are_found(void **state) {
    (void)state;
    static const struct {
        const char *json;
        size_t merges, vocab; /* sizes; 0: left to the parser */
    } cases[] = {
        {"{\"model\":{\"merges\":[\"a b\"]}}", 7, 0},
        {"{\"model\" : {\"v\":{\"merges\":[1],\"vocab\":{}}, \"merges\" : [ [\"a\",\"]\"] ]}}", 13,
         0},
        {"{\"model\":{\"vocab\":{\"}\\\"\":0},\"merges\":[]}}", 2, 9},
        {"{\"model\":{\"merges\":[],\"vocab\":[[\"a\",0]]}}", 2, 0},
        {"{\"merges\":[\"a b\"],\"vocab\":{}}", 0, 0},
        {"{\"model\":[{\"merges\":[\"a b\"]}]}", 0, 0},
        {"{\"model\":{\"merges\":[\"a b\"", 0, 0},
        {"{\"model\":{\"merges\":[\"a b]", 0, 0},
        {"{\"model\\", 0, 0},
        {"", 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tables_json found = tables_json_find(cases[i].json, strlen(cases[i].json));
        assert_int_equal(found.merges.end - found.merges.begin, cases[i].merges);
        assert_int_equal(found.vocab.end - found.vocab.begin, cases[i].vocab);
    }
}

/* Tables that are read where they lie, and those that are left to the parser. */
static void test_tables_are_read(void **state) {
    (void)state;
    static const struct {
        const char *json;
        size_t n; /* entries; 0: odd */
    } vocabs[] = {
        {"{\"a\":0,\"b\":1,\"ab\":2}", 3},
        {" { \"a\" : 10 ,\n\"\\u00e9\\n\":7}", 2},
        {"{\"a\":0,}", 0},
        {"{\"a\":-1}", 0},
        {"{\"a\":1.0}", 0},
        {"{\"a\":01}", 0},
        {"{\"a\":1e2}", 0},
        {"{\"a\":12345678901}", 0},
        {"{\"a\":0,\"a\":1}", 0},
        {"{\"a\" 0}", 0},
        {"{\"a\":0", 0},
        {"{\"\\ud800\":0}", 0},
        {"{\"\\u0000\":0}", 0},
        {"{\"\xff\":0}", 0},
        {"{\"a\nb\":0}", 0},
    };
    for (size_t i = 0; i < sizeof vocabs / sizeof *vocabs; i++) {
        vocab v;
        vocab_init(&v);
        json_span all = {0, strlen(vocabs[i].json)};
        ken_status status = tables_json_add_vocab(&v, vocabs[i].json, all, NULL);
        assert_int_equal(status == KEN_OK, vocabs[i].n != 0);
        if (vocabs[i].n)
            assert_int_equal(v.n_entries, vocabs[i].n);
        vocab_free(&v);
    }
    static const struct {
        const char *json;
        bool good;
    } merges[] = {
        {"[\"a b\",[\"a\",\"\\u0061\"]]", true},
        {"[]", true},
        {"[\"a b\",]", false},
        {"[\"a b\"", false},
        {"[[\"a\"]]", false},
        {"[\"ab\"]", false},
        {"[\"a c\"]", false},
        {"[1]", false},
        {"[[\"a\",1]]", false},
    };
    for (size_t i = 0; i < sizeof merges / sizeof *merges; i++) {
        vocab v;
        bpe b;
        vocab_init(&v);
        static const char *const pieces[] = {"a", "b", "ab", "aa"};
        for (int k = 0; k < 4; k++)
            assert_int_equal(vocab_add(&v, pieces[k], strlen(pieces[k]), k, NULL), KEN_OK);
        bpe_init(&b, &v);
        json_span all = {0, strlen(merges[i].json)};
        ken_status status = tables_json_add_merges(&b, merges[i].json, all, NULL);
        assert_int_equal(status == KEN_OK, merges[i].good);
        bpe_free(&b);
        vocab_free(&v);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts_and_truncation),
        cmocka_unit_test(test_padding_on_the_left),
        cmocka_unit_test(test_html),
        cmocka_unit_test(test_lower_case),
        cmocka_unit_test(test_ftfy),
        cmocka_unit_test(test_base64),
        cmocka_unit_test(test_protobuf),
        cmocka_unit_test(test_charsmap_stays_inside),
        cmocka_unit_test(test_tables_are_found),
        cmocka_unit_test(test_tables_are_read),
    };
    return cmocka_run_group_tests_name("text_units", tests, NULL, NULL);
}
