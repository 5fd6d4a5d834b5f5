/* tasks/embed/embed_update.h: a folder brought up to date: only pictures that are new or have
 * changed are decoded and encoded, and the result is what a fresh run over the inputs would have
 * made.
 *
 * The new parts grow in FOLDER/next/, resumable like any job; when all are there, they take the
 * place of the old ones. Until then readers see the old collection; during the exchange
 * (milliseconds) they are told that it is not finished, and an exchange that was interrupted is
 * ended by the next run. */
#ifndef KEN_TASKS_EMBED_UPDATE_H
#define KEN_TASKS_EMBED_UPDATE_H

#include "tasks/embed/embed_job.h"

KEN_MUST_CHECK ken_status embed_update(embed_job *job, ken_error *err);
/* Everything of a job that is not an update. */
KEN_MUST_CHECK ken_status embed_job_run(embed_job *job, ken_error *err);

#endif
