/* tasks/report/template.h: HTML fragments with named places.
 *
 * A template text holds fragments, each after a line "[name]". In a fragment {{place}} becomes the
 * slot's text, escaped for HTML text and attribute values; {{{place}}} becomes it as it is. So the
 * markup stays in .html files, and escaping is what happens unless a fragment says otherwise. */
#ifndef KEN_TASKS_TEMPLATE_H
#define KEN_TASKS_TEMPLATE_H

#include "base/buf.h"

typedef struct slot {
    const char *name;
    const char *text; /* NULL: `number` is it */
    size_t size;
    char number[32];
} slot;

slot slot_text(const char *name, const char *text); /* NULL text is empty */
slot slot_buf(const char *name, const buf *text);
slot slot_count(const char *name, size_t n);
slot slot_grouped(const char *name, size_t n);               /* 12,345: for people */
slot slot_fixed(const char *name, int digits, double value); /* a dash for NAN */
slot slot_percent(const char *name, double ratio);           /* a dash for NAN */

/* Appends the fragment. A place without a slot is a defect of the program, and is reported. */
KEN_MUST_CHECK ken_status template_put(buf *out, const char *text, const char *fragment,
                                       const slot *slots, size_t n_slots, ken_error *err);

#endif
