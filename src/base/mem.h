/* base/mem.h: memory. Every allocation of ken's own goes through here, so that tests can make the
 * K-th one fail (mem_fail_after) and count them (mem_count).
 *
 * An arena owns many small things of one lifetime (a parsed configuration, a list of names): they
 * are freed together. A plain allocation is freed by mem_free. Blocks are 64-byte aligned, which is
 * what the kernels want. Arenas are not thread safe; the plain functions are. */
#ifndef KEN_BASE_MEM_H
#define KEN_BASE_MEM_H

#include "base/error.h"

/* All return NULL when there is no memory, or when n * size overflows. mem_alloc(0) gives a valid,
 * unique pointer. */
void *mem_alloc(size_t size_bytes);
void *mem_zalloc(size_t n, size_t size_bytes);
/* Keeps min(old, new) bytes. `old_bytes` is what the block holds now. */
void *mem_grow(void *block, size_t old_bytes, size_t new_bytes);
void mem_free(void *block);
char *mem_strdup(const char *text);

/* Frees and forgets, for fields of structs. */
#define MEM_FREE(pointer)                                                                          \
    do {                                                                                           \
        mem_free((void *)(uintptr_t)(pointer));                                                    \
        (pointer) = NULL;                                                                          \
    } while (0)

/* Number of allocations made by this process so far. */
uint64_t mem_count(void);
/* For tests: the `n`-th allocation from now (1 is the next) fails, and with `forever` all after it.
 * 0 turns it off. */
void mem_fail_after(uint64_t n, bool forever);

typedef struct arena_block arena_block;
typedef struct arena {
    arena_block *blocks;
    size_t used_bytes;
    size_t max_bytes; /* 0: no ceiling */
} arena;

/* A zeroed arena is ready for use. */
void arena_free(arena *a);
/* Zeroed, 64-byte aligned when size >= 64, else 16. NULL at the ceiling or without memory. */
void *arena_alloc(arena *a, size_t size_bytes);
/* As arena_alloc, but the contents are undefined: for what is overwritten at once. */
void *arena_alloc_raw(arena *a, size_t size_bytes);
void *arena_array(arena *a, size_t n, size_t size_bytes);
char *arena_strdup(arena *a, const char *text);
char *arena_strndup(arena *a, const char *text, size_t n);
char *arena_printf(arena *a, const char *format, ...) KEN_PRINTF(2, 3);

#endif
