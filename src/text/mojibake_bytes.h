/* text/mojibake_bytes.h: the repairs that ftfy makes to the bytes of a wrongly decoded text before
 * it decodes them as UTF-8. */
#ifndef KEN_TEXT_MOJIBAKE_BYTES_H
#define KEN_TEXT_MOJIBAKE_BYTES_H

#include "text/codes.h"

/* Spaces that were the byte A0 of a UTF-8 sequence become A0 again. Appends to `out`. */
void bytes_restore_a0(const buf *in, buf *out);
/* UTF-8 sequences of which bytes were lost (1A) become U+FFFD. Appends to `out`. */
void bytes_replace_lossy(const buf *in, buf *out);
/* Decodes UTF-8; with ED or C0 among the bytes also CESU-8 and C0 80. False when it is neither. */
bool bytes_decode(const buf *in, codes *out);

#endif
