/* cli/doctor_cache.h: what `ken doctor` says of the cache of packed weights. */
#ifndef KEN_CLI_DOCTOR_CACHE_H
#define KEN_CLI_DOCTOR_CACHE_H

#include "base/buf.h"

/* A line. */
void doctor_put_cache(buf *out);
/* An object. */
void doctor_put_cache_json(buf *out);

#endif
