/* tasks/calibrate/rules_edit.h: other thresholds in a rules file, and nothing else: comments,
 * order, quotes and line ends stay as their author wrote them. */
#ifndef KEN_TASKS_RULES_EDIT_H
#define KEN_TASKS_RULES_EDIT_H

#include "base/buf.h"
#include "tasks/classify/rules.h"

/* Fails when the rules include other files: thresholds are put into one file only. */
KEN_MUST_CHECK ken_status rules_edit_check(const rules *r, ken_error *err);
/* Appends the source of `r` with thresholds[i] (decimal text; NULL: as it is) in category i. The
 * result is read again and compared before it is given out: KEN_UNSUPPORTED when a category is
 * written in a way that has no place for a threshold. */
KEN_MUST_CHECK ken_status rules_edit_thresholds(const rules *r, const char *const *thresholds,
                                                buf *out, ken_error *err);

#endif
