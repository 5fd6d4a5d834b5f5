/* text/mojibake.h: text that was decoded in the wrong encoding, found and repaired as ftfy 6.3
 * does.
 *
 * A heuristic says whether a text looks wrong: sequences of characters that UTF-8 read as a
 * single-byte encoding produces and people hardly write. Then the text is encoded in each such
 * encoding and, where the bytes are UTF-8, decoded again; or only the parts that look like it. */
#ifndef KEN_TEXT_MOJIBAKE_H
#define KEN_TEXT_MOJIBAKE_H

#include "text/codes.h"

/* ftfy.fix_encoding. Rewrites the text. */
KEN_MUST_CHECK ken_status mojibake_fix(codes *text, ken_error *err);
/* A C1 control as the Windows-1252 character at its place; other characters as they are. */
uint32_t mojibake_c1(uint32_t code);

#endif
