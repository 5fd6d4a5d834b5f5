/* tasks/pipeline/stage_time.h: where a run's time goes, added over all threads and processes that
 * do the work. On a busy machine the clock says how long they waited for it, CPU time what the work
 * costs. */
#ifndef KEN_TASKS_STAGE_TIME_H
#define KEN_TASKS_STAGE_TIME_H

typedef enum pipeline_stage {
    STAGE_READ, /* files and their hashes; texts and their tokens */
    STAGE_DECODE,
    STAGE_RESIZE, /* with conversion to RGB and cropping */
    STAGE_ENCODE,
    STAGE_WRITE, /* the sink */
    PIPELINE_STAGES,
} pipeline_stage;

/* "read", "decode", ... */
const char *pipeline_stage_name(pipeline_stage stage);

typedef struct stage_time {
    double seconds; /* by the clock */
    double cpu_seconds;
} stage_time;

void stage_time_add(stage_time *to, const stage_time *from);
/* The clocks of the calling thread, and what it has used since it read them. */
stage_time stage_clock(void);
stage_time stage_time_since(const stage_time *start);

#endif
