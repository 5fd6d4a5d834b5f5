/* Rules files from anyone: parsed, their prompts expanded, or refused. */
#include "tasks/classify/prompts.h"
#include "tasks/classify/rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    rules *r;
    prompts *p;
    ken_error err;
    if (rules_parse((const char *)data, size, "input", ".", &r, &err) != KEN_OK)
        return 0;
    if (prompts_new(r, &p, &err) == KEN_OK)
        prompts_free(p);
    rules_free(r);
    return 0;
}
