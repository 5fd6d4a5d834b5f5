/* tests/kernels/emulated/tiles_amx.h: in place of vec/tiles_amx.h, AMX's tile registers in plain C,
 * with what makes the real ones fault: a use before configuration or after release, a register of
 * no rows, shapes that do not fit. */
#ifndef KEN_TESTS_EMULATED_TILES_AMX_H
#define KEN_TESTS_EMULATED_TILES_AMX_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VEC_TILES 8

typedef struct tiles_shape {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tiles_shape;

static tiles_shape tiles_now;
static uint8_t tiles_bytes[VEC_TILES][16][64];

static void tiles_require(int condition, const char *what) {
    if (condition)
        return;
    fprintf(stderr, "emulated tiles: %s\n", what);
    abort();
}

static void tiles_configure(const tiles_shape *shape) {
    tiles_require(sizeof *shape == 64 && shape->palette == 1 && shape->start_row == 0, "palette");
    for (int i = 0; i < 16; i++) {
        tiles_require(shape->rows[i] <= 16 && shape->row_bytes[i] <= 64, "size of a tile");
        tiles_require(i < VEC_TILES || (!shape->rows[i] && !shape->row_bytes[i]),
                      "number of tiles");
    }
    tiles_now = *shape;
    memset(tiles_bytes, 0, sizeof tiles_bytes);
}

static void tiles_release(void) {
    tiles_now = (tiles_shape){0};
}

static void tile_used(int t) {
    tiles_require(tiles_now.palette == 1, "a tile without configuration");
    tiles_require(tiles_now.rows[t] && tiles_now.row_bytes[t], "a tile of no rows");
}

static void tile_zero(int t) {
    tile_used(t);
    memset(tiles_bytes[t], 0, sizeof tiles_bytes[t]);
}

static void tile_load(int t, const void *from, size_t step) {
    tile_zero(t);
    for (size_t i = 0; i < tiles_now.rows[t]; i++)
        memcpy(tiles_bytes[t][i], (const uint8_t *)from + i * step, tiles_now.row_bytes[t]);
}

static void tile_store(int t, void *to, size_t step) {
    tile_used(t);
    for (size_t i = 0; i < tiles_now.rows[t]; i++)
        memcpy((uint8_t *)to + i * step, tiles_bytes[t][i], tiles_now.row_bytes[t]);
}

/* TDPBUSD. */
static void tile_dot(int c, int a, int b) {
    tile_used(c), tile_used(a), tile_used(b);
    tiles_require(tiles_now.rows[c] == tiles_now.rows[a], "rows of a product");
    tiles_require(tiles_now.row_bytes[c] == tiles_now.row_bytes[b], "columns of a product");
    tiles_require(tiles_now.row_bytes[a] == 4 * tiles_now.rows[b], "depth of a product");
    for (size_t i = 0; i < tiles_now.rows[c]; i++)
        for (size_t j = 0; j < tiles_now.row_bytes[c] / 4u; j++) {
            uint32_t sum;
            memcpy(&sum, &tiles_bytes[c][i][4 * j], sizeof sum);
            for (size_t k = 0; k < tiles_now.row_bytes[a]; k++)
                sum +=
                    (uint32_t)(tiles_bytes[a][i][k] * (int8_t)tiles_bytes[b][k / 4][4 * j + k % 4]);
            memcpy(&tiles_bytes[c][i][4 * j], &sum, sizeof sum);
        }
}

#endif
