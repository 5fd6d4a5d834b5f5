/* Files that are small and ask for much: each is decoded in a process of its own, which must end by
 * itself, refuse (or decode) in little time, and stay below 64 MB. */
#include "testing.h"

#include "image/fixture.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_RSS_BYTES = 64 << 20, MAX_CPU_MS = 1000, MAX_FILE = 1 << 22 };

static uint8_t file[MAX_FILE];
static size_t file_size;

static void start(const void *bytes, size_t size) {
    memcpy(file, bytes, size);
    file_size = size;
}

static void add(const void *bytes, size_t size) {
    assert_true(file_size + size <= MAX_FILE);
    memcpy(file + file_size, bytes, size);
    file_size += size;
}

static void add_byte(unsigned value) {
    add(&(uint8_t){(uint8_t)value}, 1);
}

static void add_big32(uint32_t value) {
    for (int shift = 24; shift >= 0; shift -= 8)
        add_byte(value >> shift & 255);
}

static void add_little(uint32_t value, int n_bytes) {
    for (int i = 0; i < n_bytes; i++)
        add_byte(value >> (8 * i) & 255);
}

typedef struct child_report {
    ken_status status;
    char message[256];
    long rss_kib, cpu_ms;
} child_report;

static void run_child(int to) {
    child_report r = {0};
    image img;
    ken_error err = {0};
    r.status = image_decode(file, file_size, NULL, &img, NULL, NULL, &err);
    image_free(&img);
    snprintf(r.message, sizeof r.message, "%.*s", (int)sizeof r.message - 1, err.message);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    r.rss_kib = usage.ru_maxrss;
    r.cpu_ms = (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 +
               (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000;
    ssize_t written = write(to, &r, sizeof r);
    _exit(written == (ssize_t)sizeof r ? 0 : 1);
}

/* Sanitizers have their own memory and time. */
static void assert_modest(const char *name, const child_report *r) {
#ifndef KEN_SANITIZED
    if (r->rss_kib * 1024 > MAX_RSS_BYTES || r->cpu_ms > MAX_CPU_MS)
        fail_msg("%s: %ld KiB, %ld ms", name, r->rss_kib, r->cpu_ms);
#endif
    if (getenv("KEN_TEST_VERBOSE"))
        print_message("%-40s %6ld KiB %5ld ms  %s\n", name, r->rss_kib, r->cpu_ms, r->message);
}

static child_report decode_in_child(const char *name) {
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        setrlimit(RLIMIT_CPU, &(struct rlimit){20, 20});
        run_child(ends[1]);
    }
    close(ends[1]);
    child_report r = {0};
    ssize_t n = read(ends[0], &r, sizeof r);
    close(ends[0]);
    int how = 0;
    waitpid(child, &how, 0);
    if (n != (ssize_t)sizeof r || !WIFEXITED(how) || WEXITSTATUS(how) != 0)
        fail_msg("%s: the decoder ended with signal or exit code %d", name, how);
    assert_modest(name, &r);
    return r;
}

static void assert_refused(const char *name, ken_status status, const char *part) {
    child_report r = decode_in_child(name);
    assert_int_equal(r.status, status);
    if (!strstr(r.message, part))
        fail_msg("%s: '%s' does not say '%s'", name, r.message, part);
}

static void png_chunk(const char *type, const void *body, uint32_t size) {
    add_big32(size);
    size_t at = file_size;
    add(type, 4);
    add(body, size);
    uint32_t crc = 0xFFFFFFFF;
    for (size_t i = at; i < file_size; i++) {
        crc ^= file[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ 0xEDB88320U : crc >> 1;
    }
    add_big32(~crc);
}

static void png_header(uint32_t width, uint32_t height) {
    start("\x89PNG\r\n\x1A\n", 8);
    uint8_t header[13] = {[8] = 8, [9] = 2};
    for (int i = 0; i < 4; i++) {
        header[i] = (uint8_t)(width >> (24 - 8 * i));
        header[4 + i] = (uint8_t)(height >> (24 - 8 * i));
    }
    png_chunk("IHDR", header, sizeof header);
}

static void test_floods(void **state) {
    (void)state;
    png_header(30000, 30000);
    png_chunk("IDAT", "\x78\x9C\x63", 3);
    png_chunk("IEND", "", 0);
    assert_refused("png 30000x30000", KEN_TOO_LARGE,
                   "picture is too large: 30000x30000 is above the limit of 178956970 pixels");
    png_header(0x7FFFFFFF, 0x7FFFFFFF);
    png_chunk("IDAT", "\x78\x9C\x63", 3);
    assert_refused("png 2^31-1 squared", KEN_TOO_LARGE, "picture is too large: 2147483647x");

    start("\xFF\xD8\xFF\xC0\0\x11\x8\xFF\xDC\xFF\xDC\3\1\x22\0\2\x11\1\3\x11\1", 21);
    add("\xFF\xDA\0\x0C\3\1\0\2\x11\3\x11\0\x3F\0\0", 15);
    assert_refused("jpeg 65500x65500", KEN_TOO_LARGE, "65500x65500");

    start("GIF89a\xFF\xFF\xFF\xFF\0\0\0,\0\0\0\0\xFF\xFF\xFF\xFF\0\2\2\x44\1\0;", 28);
    assert_refused("gif 65535x65535", KEN_TOO_LARGE, "65535x65535");
    start("GIF89a\1\0\1\0\0\0\0,\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\0\2\2\x44\1\0;", 28);
    assert_refused("gif with a frame far outside", KEN_TOO_LARGE, "131070x131070");

    start("RIFF\x16\0\0\0WEBPVP8X\x0A\0\0\0\2\0\0\0\xFF\xFF\xFF\xFF\0\0", 30);
    child_report r = decode_in_child("webp 2^24 x 256");
    assert_true(r.status == KEN_TOO_LARGE || r.status == KEN_BAD_FORMAT);

    start("BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0", 18);
    add_little(100000, 4);
    add_little(100000, 4);
    add("\1\0\x18\0", 4);
    add((uint8_t[24]){0}, 24);
    assert_refused("bmp 100000x100000", KEN_TOO_LARGE, "100000x100000");
}

/* A TIFF directory of one strip. */
static void test_tiff_flood(void **state) {
    (void)state;
    static const struct {
        uint16_t tag;
        uint32_t value;
    } tags[] = {{256, 60000}, {257, 60000}, {258, 8},     {259, 1},  {262, 1},
                {273, 8},     {277, 1},     {278, 60000}, {279, 100}};
    enum { N_TAGS = sizeof tags / sizeof *tags };
    start("II*\0\x08\0\0\0", 8);
    add_little(N_TAGS, 2);
    for (size_t i = 0; i < N_TAGS; i++) {
        add_little(tags[i].tag, 2);
        add_little(4, 2);
        add_little(1, 4);
        add_little(tags[i].value, 4);
    }
    add_little(0, 4);
    assert_refused("tiff 60000x60000", KEN_TOO_LARGE, "60000x60000");
}

static void test_avif_flood(void **state) {
    (void)state;
    file_map map = fixture_file("libvips/17000x17000.avif");
    start(map.data, map.size);
    file_map_close(&map);
    assert_refused("avif 17000x17000", KEN_TOO_LARGE, "Image size 17000x17000 exceeds");
}

/* libvips takes a gigabyte on each of these (RELIABILITY, threat 2); stepped over, they cost
 * nothing. */
static void test_chunk_bombs(void **state) {
    (void)state;
    static const char *const names[] = {"huge_tEXt_chunk", "huge_zTXt_chunk", "huge_iTXt_chunk",
                                        "huge_pCAL_chunk", "huge_sCAL_chunk", "huge_sPLT_chunk"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[128];
        snprintf(path, sizeof path, "libpng/contrib/testpngs/crashers/%s.png", names[i]);
        file_map map = fixture_file(path);
        start(map.data, map.size);
        file_map_close(&map);
        assert_int_equal(decode_in_child(names[i]).status, KEN_BAD_FORMAT);
    }
}

/* EXIF as text is the one compressed chunk that is looked at: 100 kB that inflate to 100 MB. */
static void test_text_bomb(void **state) {
    (void)state;
    static uint8_t body[100000];
    size_t n = (size_t)snprintf((char *)body, sizeof body, "Raw profile type exif") + 2;
    /* Stored by hand: a fixed-Huffman block of one zero byte and endless (258, 1) repeats. */
    body[n++] = 0x78;
    body[n++] = 0x9C;
    uint64_t bits = 0;
    unsigned n_bits = 0;
    const struct { unsigned value, width; } head[] = {{1, 1}, {1, 2}, {0x0C, 8}};
    for (int i = 0; i < 3; i++) {
        bits |= (uint64_t)head[i].value << n_bits;
        n_bits += head[i].width;
    }
    while (n < sizeof body - 8) {
        bits |= (uint64_t)0xA3 << n_bits; /* length 258 is 11000101, most significant bit first */
        n_bits += 8 + 5;                  /* and distance 1 is 00000 */
        for (; n_bits >= 8; n_bits -= 8, bits >>= 8)
            body[n++] = (uint8_t)bits;
    }
    png_header(1, 1);
    png_chunk("zTXt", body, (uint32_t)n);
    png_chunk("IDAT", "\x78\x9C\x63\x60\x60\x60\0\0\0\4\0\1", 12);
    png_chunk("IEND", "", 0);
    decode_in_child("zTXt of 100 MB");
}

/* A progressive JPEG whose last scan comes 2,000 times. */
static void test_scan_bomb(void **state) {
    (void)state;
    file_map map = fixture_file("generated/progressive.jpg");
    size_t last = 0;
    for (size_t i = 0; i + 1 < map.size; i++)
        if (map.data[i] == 0xFF && map.data[i + 1] == 0xDA)
            last = i;
    assert_true(last > 0);
    start(map.data, last);
    for (int i = 0; i < 2000; i++)
        add(map.data + last, map.size - 2 - last);
    add("\xFF\xD9", 2);
    file_map_close(&map);
    assert_refused("jpeg with 2000 scans", KEN_BAD_FORMAT, "500 scans");
}

/* The number of frames does not matter: only the first is looked at. */
static void test_many_frames(void **state) {
    (void)state;
    static const char frame[] = "!\xF9\4\0\0\0\0\0,\0\0\0\0\1\0\1\0\0\2\2\x44\1\0";
    start("GIF89a\1\0\1\0\x80\0\0\xFF\0\0\0\0\xFF", 19);
    for (int i = 0; i < 100000; i++)
        add(frame, sizeof frame - 1);
    add(";", 1);
    child_report r = decode_in_child("gif with 100000 frames");
    assert_int_equal(r.status, KEN_OK);
    assert_true(r.cpu_ms < MAX_CPU_MS);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_floods),      cmocka_unit_test(test_tiff_flood),
        cmocka_unit_test(test_avif_flood),  cmocka_unit_test(test_chunk_bombs),
        cmocka_unit_test(test_text_bomb),   cmocka_unit_test(test_scan_bomb),
        cmocka_unit_test(test_many_frames),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
