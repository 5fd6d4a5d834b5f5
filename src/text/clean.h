/* text/clean.h: what OpenCLIP does to a text before it is cut, and SigLIP's canonical form. */
#ifndef KEN_TEXT_CLEAN_H
#define KEN_TEXT_CLEAN_H

#include "text/codes.h"
#include "text/tokenizer.h"

/* ftfy.fix_text, html.unescape twice, strip; then as `kind` says. `text` is rewritten. */
KEN_MUST_CHECK ken_status clean_open_clip(codes *text, tokenizer_clean kind, ken_error *err);
/* transformers' SiglipTokenizer.canonicalize_text: lower case (unless the configuration says no),
 * without ASCII punctuation, each run of white space one space, stripped. */
KEN_MUST_CHECK ken_status clean_siglip(codes *text, bool lower_case, ken_error *err);

#endif
