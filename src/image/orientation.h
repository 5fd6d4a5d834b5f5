/* image/orientation.h: which way up a picture is: the EXIF tag 0x0112, or XMP's tiff:Orientation
 * where EXIF has none, read as Pillow reads them. The metadata may be anything: what is not a clear
 * value from 1 to 8 counts as 1, because a bad tag must not cost the picture. */
#ifndef KEN_IMAGE_ORIENTATION_H
#define KEN_IMAGE_ORIENTATION_H

#include "image/image.h"

/* Looks for a SHORT or LONG tag with one value in the first directory of a TIFF structure (which is
 * what EXIF data is; leading "Exif\0\0" marks are skipped). */
bool exif_tag(const uint8_t *bytes, size_t size, uint16_t tag, uint32_t *value);
/* Whether every value of the first directory lies inside of the bytes; true when there is none to
 * look at. libtiff replaces what it cannot read, and libvips does not tell. */
bool exif_values_inside(const uint8_t *bytes, size_t size);
/* The orientation of EXIF data, or of an XMP packet where EXIF has no tag; either may be NULL. */
int orientation_read(const uint8_t *exif, size_t exif_size, const uint8_t *xmp, size_t xmp_size);
/* Turns and mirrors as Pillow's ImageOps.exif_transpose. */
KEN_MUST_CHECK ken_status orientation_apply(image *img, int orientation, ken_error *err);

#endif
