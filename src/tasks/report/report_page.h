/* tasks/report/report_page.h: what the files that write the report's parts share. Not for others.
 */
#ifndef KEN_TASKS_REPORT_PAGE_H
#define KEN_TASKS_REPORT_PAGE_H

#include "tasks/report/report.h"
#include "tasks/report/report_plan.h"
#include "tasks/report/template.h"

/* The markup, style and script of src/tasks/report/, part of the program. */
extern const char report_html[], report_css[], report_js[];

typedef struct report_page {
    const results *results;
    const report_options *options;
    report_plan plan;
    thumbnail *thumbnails; /* [plan.n_images] */
    size_t *places;        /* [plan.n_images] among the pictures that are on no card */
    verdict *verdicts;     /* [categories] scratch */
    buf *out;
} report_page;

/* Appends a fragment of report_html to `out`. `...` are slots. */
#define PUT(out, err, fragment, ...)                                                               \
    template_put((out), report_html, (fragment), (const slot[]){__VA_ARGS__},                      \
                 sizeof((const slot[]){__VA_ARGS__}) / sizeof(slot), (err))

enum { ANCHOR_BYTES = 24 };
/* The id of a group's section: names can hold anything, so it is a number. */
const char *report_anchor(const report_page *p, size_t group, char out[ANCHOR_BYTES]);
const char *report_group_name(const report_page *p, size_t group);
/* The labels of a sample; none when there are no labels at all. */
void report_labels(const report_page *p, size_t sample, label_set *out);
/* Is `sample` in the wrong place in this group, according to its label? */
bool report_is_wrong(const report_page *p, size_t sample, size_t group);

/* Can the page decide again with another threshold of this group? */
bool report_has_slider(const report_page *p, size_t group);
KEN_MUST_CHECK ken_status report_put_group(report_page *p, size_t group, ken_error *err);
/* The histogram of a category's scores over all images. */
KEN_MUST_CHECK ken_status report_put_chart(const report_page *p, size_t category, buf *out,
                                           ken_error *err);
KEN_MUST_CHECK ken_status report_put_evaluation(report_page *p, ken_error *err);
KEN_MUST_CHECK ken_status report_put_errors(report_page *p, ken_error *err);
KEN_MUST_CHECK ken_status report_put_provenance(report_page *p, ken_error *err);

/* The images that the script knows: all, or those with a card. An image's index is its place among
 * them. */
size_t report_n_listed(const report_page *p);
size_t report_index(const report_page *p, size_t sample);
/* What the script knows of them, as JSON and as arrays of numbers. */
KEN_MUST_CHECK ken_status report_put_data(const report_page *p, buf *out, ken_error *err);
KEN_MUST_CHECK ken_status report_put_arrays(const report_page *p, buf *out, ken_error *err);
/* Fills `places`; the pictures themselves. */
KEN_MUST_CHECK ken_status report_number_pictures(report_page *p, ken_error *err);
KEN_MUST_CHECK ken_status report_put_pictures(report_page *p, ken_error *err);

#endif
