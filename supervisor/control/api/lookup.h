/*
 * lookup.h: what several handlers ask the storage.
 */
#ifndef API_LOOKUP_H
#define API_LOOKUP_H

#include "request.h"
#include "supervisor/control/storage/storage.h"

/* A thread of the sender's tenant; fn has the request.  Where the storage
 * takes nothing it is answered. */
void lookup_thread(struct request *r, const char *thread_id,
    storage_thread_get_fn *fn);

/* 1 if it speaks the agent protocol: a program that only prints has no
 * reducers, and cannot describe its graph. */
int lookup_is_native(const struct storage_agent *a);

#endif /* !API_LOOKUP_H */
