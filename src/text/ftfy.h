/* text/ftfy.h: ftfy.fix_text with its default configuration, exactly (ftfy 6.3). */
#ifndef KEN_TEXT_FTFY_H
#define KEN_TEXT_FTFY_H

#include "text/codes.h"

/* Rewrites the text. */
KEN_MUST_CHECK ken_status ftfy_fix_text(codes *text, ken_error *err);

#endif
