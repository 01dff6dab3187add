/*
 * transfers.h: libcurl's transfers on the event loop.
 *
 * For warder-proxy (towards the world) and warder-vault (towards token
 * endpoints).  It joins libcurl's multi interface (libcurl-multi(3)) to
 * loop.h and nothing more: what a transfer is, its easy handle says, which
 * belongs to the caller.  Nothing blocks.
 *
 * None of these may be called from inside one of libcurl's own callbacks.
 */
#ifndef TRANSFERS_H
#define TRANSFERS_H

#include <curl/curl.h>

#include "loop.h"

struct transfers;

/*
 * The transfer has ended, well (CURLE_OK) or not, and is out of the multi
 * handle; the callee may destroy the easy handle, or anything else.
 */
typedef void transfer_done_fn(void *arg, CURLcode result);

/* ERR_SYSTEM without memory.  connections: kept open between transfers. */
must_check int transfers_create(struct loop *l, long connections,
    struct transfers **ret, struct err *e);

/*
 * Go on watching a connection that waits for its next transfer, which saves
 * two system calls a transfer: from here on each close of a socket (its
 * CURLOPT_CLOSESOCKETFUNCTION) is told by transfers_closing() first.
 */
void transfers_watch_idle(struct transfers *t);
void transfers_closing(struct transfers *t, curl_socket_t fd);

/* Keep another number open; counts when a transfer ends. */
void transfers_keep(struct transfers *t, long connections);

/* Ends all transfers without a word; destroy it before the loop. */
void transfers_destroy(struct transfers *t);

/*
 * Begin.  The easy handle is borrowed until done is called or
 * transfers_remove(); its CURLOPT_PRIVATE is ours.  Done is called from the
 * loop, never from in here.
 */
must_check int transfers_add(struct transfers *t, CURL *easy,
    transfer_done_fn *done, void *arg, struct err *e);

/* End one without a word; one that is not running is left alone. */
void transfers_remove(struct transfers *t, CURL *easy);

#endif /* !TRANSFERS_H */
