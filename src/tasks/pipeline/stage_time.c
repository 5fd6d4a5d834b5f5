#include "tasks/pipeline/stage_time.h"

#include "base/sys.h"

const char *pipeline_stage_name(pipeline_stage stage) {
    static const char *const names[PIPELINE_STAGES] = {
        [STAGE_READ] = "read",     [STAGE_DECODE] = "decode", [STAGE_RESIZE] = "resize",
        [STAGE_ENCODE] = "encode", [STAGE_WRITE] = "write",
    };
    return names[stage];
}

void stage_time_add(stage_time *to, const stage_time *from) {
    to->seconds += from->seconds;
    to->cpu_seconds += from->cpu_seconds;
}

stage_time stage_clock(void) {
    return (stage_time){.seconds = sys_seconds(), .cpu_seconds = sys_thread_cpu_seconds()};
}

stage_time stage_time_since(const stage_time *start) {
    stage_time now = stage_clock();
    return (stage_time){now.seconds - start->seconds, now.cpu_seconds - start->cpu_seconds};
}
