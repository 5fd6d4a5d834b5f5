/* tests/kernels/guard.c: see guard.h. */
#include "testing.h"

#include "guard.h"

#include <sys/mman.h>
#include <unistd.h>

enum { MAX_MAPS = 64 };
static struct {
    void *start;
    size_t size_bytes;
} maps[MAX_MAPS];
static size_t n_maps;

void *guard_new(guard_side side, size_t size_bytes) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t inside = (size_bytes + page - 1) / page * page;
    size_t total = inside + 2 * page;
    assert_true(n_maps < MAX_MAPS);
    char *start = mmap(NULL, total, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(start != MAP_FAILED);
    if (inside)
        assert_int_equal(mprotect(start + page, inside, PROT_READ | PROT_WRITE), 0);
    maps[n_maps].start = start;
    maps[n_maps++].size_bytes = total;
    return side == GUARD_AFTER ? start + page + inside - size_bytes : start + page;
}

void guard_free_all(void) {
    while (n_maps) {
        n_maps--;
        munmap(maps[n_maps].start, maps[n_maps].size_bytes);
    }
}

#define SEED 0x9e3779b97f4a7c15u
static uint64_t state = SEED;

void random_restart(void) {
    state = SEED;
}

uint32_t random_bits(void) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 32);
}

float random_float(void) {
    return (float)(random_bits() >> 8) * 0x1p-23f - 1.0f;
}

float *random_floats(guard_side side, size_t n, float scale) {
    float *x = guard_floats(side, n);
    for (size_t i = 0; i < n; i++)
        x[i] = random_float() * scale;
    return x;
}
