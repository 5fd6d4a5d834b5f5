#include "tasks/probe/apply.h"

ken_status head_classifier(const head *h, const kernels *k, classify_mode mode, rules **r,
                           classifier **c, ken_error *err) {
    *c = NULL;
    const char *as_it_is = "{}";
    TRY(rules_from_classes(h->labels, h->n_classes, &(rules_texts){&as_it_is, 1}, r, err));
    ken_status status = classifier_new_linear(*r, h->weight, h->bias, h->dim, k, mode, c, err);
    if (status != KEN_OK) {
        rules_free(*r);
        *r = NULL;
    }
    return status;
}
