/* models/calibration_pictures.c: pictures from integers alone. Coordinates are scaled to a canvas
 * of 256 x 256, so that every size shows the same picture. */
#include "models/calibration_pictures.h"

enum { canvas = 256, channels = 3 };

static uint32_t mix(uint32_t x) {
    x = (x ^ x >> 16) * 0x7feb352du;
    x = (x ^ x >> 15) * 0x846ca68bu;
    return x ^ x >> 16;
}

/* A random byte for a point of a grid. */
static int lattice(uint32_t x, uint32_t y, uint32_t seed) {
    return (int)(mix(x + 0x9e3779b9u * y + 0x85ebca6bu * seed) >> 24);
}

/* Between the four corners of a cell of `cell` pixels, each 0 to 255. */
static int smooth(int x, int y, int cell, uint32_t seed) {
    uint32_t gx = (uint32_t)(x / cell), gy = (uint32_t)(y / cell);
    int fx = x % cell, fy = y % cell;
    int top = lattice(gx, gy, seed) * (cell - fx) + lattice(gx + 1, gy, seed) * fx;
    int bottom = lattice(gx, gy + 1, seed) * (cell - fx) + lattice(gx + 1, gy + 1, seed) * fx;
    return (top * (cell - fy) + bottom * fy) / (cell * cell);
}

/* Clouds: detail of every size, half as strong at half the size. */
static int clouds(int x, int y, uint32_t seed) {
    int sum = 0, weights = 0;
    for (int cell = 64, weight = 32; cell >= 2; cell /= 2, weight /= 2) {
        sum += weight * smooth(x, y, cell, seed + (uint32_t)cell);
        weights += weight;
    }
    return sum / weights;
}

/* Discs and boxes of one colour each on a gradient. */
static int shapes(int x, int y, int channel) {
    enum { n_shapes = 9 };
    int value = (x * (channel + 1) + y * (channels - channel)) / 8 + 40;
    for (uint32_t i = 0; i < n_shapes; i++) {
        int cx = lattice(i, 0, 7), cy = lattice(i, 1, 7), size = 16 + lattice(i, 2, 7) / 5;
        int dx = x - cx, dy = y - cy;
        int inside = i % 2 ? dx * dx + dy * dy < size * size
                           : dx < size && -dx < size && 2 * dy < size && -2 * dy < size;
        if (inside)
            value = lattice(i, 3 + (uint32_t)channel, 7);
    }
    return value;
}

/* Dark marks in lines on white, as a page of print has them. */
static int lettering(int x, int y) {
    enum { line = 16, letter = 6 };
    int in_line = y % line, in_letter = x % letter;
    int word = smooth(x / letter, y / line, 3, 11) > 90;
    int mark = lattice((uint32_t)(x / 2), (uint32_t)(y / 2), 13) > 110;
    return word && mark && in_line > 3 && in_line < 12 && in_letter < 5 ? 25 : 240;
}

/* A lamp in the night. */
static int night(int x, int y, int channel) {
    int dx = x - 170, dy = y - 70, distance = dx * dx + dy * dy;
    int light = distance < 400 ? 250 : 60000 / (distance + 300);
    return 6 + light * (4 - channel) / 4 + smooth(x, y, 8, 17) / 24;
}

static int value_at(size_t index, int x, int y, int channel) {
    switch (index % 4) {
    case 0:
        return clouds(x, y, 3 + (uint32_t)channel);
    case 1:
        return shapes(x, y, channel);
    case 2:
        return lettering(x, y);
    default:
        return night(x, y, channel);
    }
}

void calibration_picture(size_t index, size_t height, size_t width, uint8_t *pixels) {
    for (size_t row = 0; row < height; row++)
        for (size_t column = 0; column < width; column++)
            for (int c = 0; c < channels; c++) {
                int v = value_at(index, (int)(column * canvas / width),
                                 (int)(row * canvas / height), c);
                *pixels++ = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
            }
}
