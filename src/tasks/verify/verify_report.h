/* tasks/verify/verify_report.h: how the two readers of goldens fill a report. */
#ifndef KEN_TASKS_VERIFY_REPORT_H
#define KEN_TASKS_VERIFY_REPORT_H

#include "tasks/verify/verify.h"

/* Adds the row of `n_vectors` vectors of `width` floats each. Vector i of `got` is compared with
 * vector `order[i]` of `expected`, or i when order is NULL. A row of that name is extended. */
KEN_MUST_CHECK ken_status report_compare(verify_report *report, const char *name, const float *got,
                                         const float *expected, const size_t *order,
                                         size_t n_vectors, size_t width, ken_error *err);
/* Adds a row that is ok: `n_vectors` things that are not numbers were compared and are the same. */
KEN_MUST_CHECK ken_status report_same(verify_report *report, const char *name, size_t n_vectors,
                                      ken_error *err);
/* Adds a row that is not ok: it could not be compared. */
KEN_MUST_CHECK ken_status report_problem(verify_report *report, const char *name, ken_error *err,
                                         const char *format, ...) KEN_PRINTF(4, 5);
/* The row of that name so far, or NULL. */
verify_row *report_find(const verify_report *report, const char *name);

/* goldens.safetensors */
KEN_MUST_CHECK ken_status verify_layers(const ken_model *model, const char *path,
                                        const verify_options *options, verify_report *report,
                                        ken_error *err);
/* goldens.json */
KEN_MUST_CHECK ken_status verify_photos(const ken_model *model, const char *path,
                                        const verify_options *options, verify_report *report,
                                        ken_error *err);

#endif
