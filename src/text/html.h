/* text/html.h: character references, as Python's html.unescape and ftfy's stricter version read
 * them. The names are those of HTML 5 (html_entities.inc, made by tools/make_html_entities.py). */
#ifndef KEN_TEXT_HTML_H
#define KEN_TEXT_HTML_H

#include "text/codes.h"

/* html.unescape. Appends to `out`. */
void html_unescape(const codes *in, codes *out);
/* ftfy.fixes.unescape_html: only references that end with ';', and all-caps names. */
void html_unescape_strict(const codes *in, codes *out);

#endif
