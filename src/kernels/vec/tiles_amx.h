/* kernels/vec/tiles_amx.h: eight registers of 16 rows of 64 bytes, in AMX.
 *
 * tiles_shape takes the bytes and rows of each register; one of no rows must not be used.
 * tile_dot(c, a, b): to the 32-bit numbers of c, rows of a times columns of b, where a row of b
 * holds four k of each column; a is unsigned, b is signed. Registers are named by literals 0 to 7.
 */
#ifndef KEN_KERNELS_VEC_TILES_AMX_H
#define KEN_KERNELS_VEC_TILES_AMX_H

#include <stddef.h>
#include <stdint.h>

#define VEC_TILES 8

/* As LDTILECFG wants it. */
typedef struct tiles_shape {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tiles_shape;

/* By hand: GCC 12's own say neither that all of the configuration is read nor what the loads read.
 */
VEC void tiles_configure(const tiles_shape *shape) {
    __asm__ volatile("ldtilecfg %0" : : "m"(*shape));
}
/* Without it the system saves the tiles of this thread at every switch. */
VEC void tiles_release(void) {
    __asm__ volatile("tilerelease");
}
#define tile_zero(t) __asm__ volatile("tilezero %%tmm" TILE_TEXT(t) : :)
#define tile_load(t, from, step)                                                                   \
    __asm__ volatile("tileloadd (%0,%1,1), %%tmm" TILE_TEXT(t)                                     \
                     :                                                                             \
                     : "r"(from), "r"((size_t)(step))                                              \
                     : "memory")
#define tile_store(t, to, step)                                                                    \
    __asm__ volatile("tilestored %%tmm" TILE_TEXT(t) ", (%0,%1,1)"                                 \
                     :                                                                             \
                     : "r"(to), "r"((size_t)(step))                                                \
                     : "memory")
#define tile_dot(c, a, b)                                                                          \
    __asm__ volatile("tdpbusd %%tmm" TILE_TEXT(b) ", %%tmm" TILE_TEXT(a) ", %%tmm" TILE_TEXT(c) : :)
#define TILE_TEXT(t)  TILE_TEXT_(t)
#define TILE_TEXT_(t) #t

#endif
