/* text/base64.h: RFC 4648 base64, which tokenizer.json holds precompiled maps in. */
#ifndef KEN_TEXT_BASE64_H
#define KEN_TEXT_BASE64_H

#include "base/buf.h"

/* Appends the decoded bytes; false when the text is not base64. */
bool base64_decode(buf *out, const char *text, size_t size);

#endif
