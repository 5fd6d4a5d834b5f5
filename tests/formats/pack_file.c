/* Packed blobs: what was written comes back; damage of any byte or length is found. */
#include "formats/pack_file.h"

#include "base/mem.h"
#include "formats/scratch.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char key[] = "weights abc\ntower text\n", name[] = "pack-test";
static uint8_t small[100], large[5000];
static const pack_blob blobs[] = {
    {"first", small, sizeof small}, {"empty", "", 0}, {"last", large, sizeof large}};

static cache *open_cache(void) {
    cache *c;
    ken_error err;
    assert_ok(cache_open(scratch_path("cache"), 0, &c, &err), err);
    return c;
}

static void write_blobs(const cache *c) {
    ken_error err;
    for (size_t i = 0; i < sizeof small; i++)
        small[i] = (uint8_t)(i * 7);
    for (size_t i = 0; i < sizeof large; i++)
        large[i] = (uint8_t)(i * i >> 3);
    assert_ok(pack_file_write(c, name, key, blobs, 3, &err), err);
}

static void test_round_trip(void **state) {
    (void)state;
    cache *c = open_cache();
    pack_file f;
    ken_error err;
    assert_error(pack_file_open(c, name, key, &f, &err), KEN_NOT_FOUND, err, name);
    write_blobs(c);
    assert_ok(pack_file_open(c, name, key, &f, &err), err);
    const int orders[][3] = {{0, 1, 2}, {2, 0, 1}, {1, 1, 0}};
    for (size_t i = 0; i < 9; i++) {
        const pack_blob *b = &blobs[orders[i / 3][i % 3]];
        const void *data;
        assert_ok(pack_file_take(&f, b->name, b->size_bytes, &data, &err), err);
        assert_int_equal((uintptr_t)data % 64, 0);
        assert_memory_equal(data, b->data, b->size_bytes);
    }
    const void *none;
    assert_error(pack_file_take(&f, "first", 101, &none, &err), KEN_NOT_FOUND, err, "'first'");
    assert_error(pack_file_take(&f, "second", 100, &none, &err), KEN_NOT_FOUND, err, "'second'");
    pack_file_close(&f);
    assert_error(pack_file_open(c, name, "weights abd\ntower text\n", &f, &err), KEN_BAD_FORMAT,
                 err, "made for something else");
    assert_ok(pack_file_write(c, name, key, NULL, 0, &err), err);
    assert_ok(pack_file_open(c, name, key, &f, &err), err);
    assert_error(pack_file_take(&f, "first", 100, &none, &err), KEN_NOT_FOUND, err, "'first'");
    pack_file_close(&f);
    cache_close(c);
}

/* Opens the file and takes all blobs; true when nothing was found to be wrong. */
static bool seems_good(const cache *c) {
    pack_file f;
    ken_error err;
    ken_status status = pack_file_open(c, name, key, &f, &err);
    for (size_t i = 0; i < 3 && status == KEN_OK; i++) {
        const void *data;
        status = pack_file_take(&f, blobs[i].name, blobs[i].size_bytes, &data, &err);
    }
    pack_file_close(&f);
    assert_true(status == KEN_OK || status == KEN_BAD_FORMAT);
    return status == KEN_OK;
}

static void put(const cache *c, const uint8_t *bytes, size_t size) {
    ken_error err;
    cache_piece piece = {bytes, size};
    assert_ok(cache_write(c, name, &piece, 1, &err), err);
}

/* Only the zeros between two blobs are of no importance to anybody. */
static bool is_gap(size_t i, size_t size) {
    size_t data_at = size - 64 * ((sizeof large + 63) / 64) - 128;
    return (i >= data_at + sizeof small && i < data_at + 128) || i >= data_at + 128 + sizeof large;
}

static void test_damage(void **state) {
    (void)state;
    cache *c = open_cache();
    write_blobs(c);
    file_map map;
    ken_error err;
    assert_ok(cache_map(c, name, &map, &err), err);
    assert_true(seems_good(c));
    uint8_t *bytes = mem_alloc(map.size + 1);
    for (size_t i = 0; i < map.size; i += i < 400 ? 1 : 37) {
        memcpy(bytes, map.data, map.size);
        bytes[i] ^= 0x10;
        put(c, bytes, map.size);
        if (seems_good(c) != is_gap(i, map.size))
            fail_msg("byte %zu of %zu", i, map.size);
    }
    memcpy(bytes, map.data, map.size);
    bytes[map.size] = 0;
    for (size_t size = 0; size <= map.size + 1; size += size < 400 ? 1 : 61) {
        put(c, bytes, size);
        assert_int_equal(seems_good(c), size == map.size);
    }
    put(c, bytes, map.size + 1);
    assert_false(seems_good(c));
    mem_free(bytes);
    file_map_close(&map);
    cache_close(c);
}

/* Every allocation of writing and opening fails in turn. */
static void test_no_memory(void **state) {
    (void)state;
    cache *c = open_cache();
    write_blobs(c);
    ken_status status = KEN_NO_MEMORY;
    for (uint64_t n = 1; status != KEN_OK; n++) {
        ken_error err;
        mem_fail_after(n, false);
        status = pack_file_write(c, name, key, blobs, 3, &err);
        mem_fail_after(0, false);
        assert_true(status == KEN_OK || status == KEN_NO_MEMORY);
        assert_true(seems_good(c));
    }
    status = KEN_NO_MEMORY;
    for (uint64_t n = 1; status != KEN_OK; n++) {
        pack_file f;
        ken_error err;
        mem_fail_after(n, false);
        status = pack_file_open(c, name, key, &f, &err);
        mem_fail_after(0, false);
        assert_true(status == KEN_OK || status == KEN_NO_MEMORY);
        pack_file_close(&f);
    }
    cache_close(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
