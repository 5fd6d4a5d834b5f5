/* models/calibration_pictures.h: the pictures of models/calibration.h. */
#ifndef KEN_MODELS_CALIBRATION_PICTURES_H
#define KEN_MODELS_CALIBRATION_PICTURES_H

#include <stddef.h>
#include <stdint.h>

/* Picture `index`, [height, width, 3], the same bytes on every machine. */
void calibration_picture(size_t index, size_t height, size_t width, uint8_t *pixels);

#endif
