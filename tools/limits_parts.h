/*
 * limits_parts.h: the numbers that lie with their modules, each with its
 * reason, for docs/limits.md.  Whoever expands a table includes those headers.
 */
#ifndef LIMITS_PARTS_H
#define LIMITS_PARTS_H

#include "audit.h"
#include "egress/egress.h"
#include "egress/keeper.h"
#include "egress/segment.h"
#include "jail/image.h"
#include "jail/quota.h"
#include "jail/trust.h"
#include "msg_audit.h"
#include "policy/canon.h"
#include "proxy/hello.h"
#include "proxy/mint.h"
#include "proxy/scrub.h"
#include "supervisor/audit/heads.h"
#include "supervisor/audit/verb.h"

/* clang-format off */
/*   name, unit, reason, one past it */
#define LIMITS_AUDIT(X) \
	X(AUDIT_LINE_MAX, "bytes with the newline", \
	    "a refusal's record and the longest path that is written fit", \
	    "the segment has failed: nothing more is allowed") \
	X(AUDIT_SIGN_S, "s", \
	    "two flushes of a slow disk, and waiting for others", \
	    "the segment is not signed, which the run's report says") \
	X(SEGMENT_TRIES, "starts of a signer", \
	    "each time somebody has just pruned the list", \
	    "the segment is not signed, which the run's report says") \
	X(HEADS_LINES_MAX, "lines of a list of heads", \
	    "read into memory as a whole; prune shortens it", \
	    "verify, export and prune refuse the list") \
	X(VERB_OPERANDS_MAX, "files of one verify", \
	    "each is open at once; a directory is one", \
	    "verify refuses them")

#define LIMITS_EGRESS(X) \
	X(EGRESS_READY_MS, "ms", \
	    "libraries are read from a cold disk", \
	    "the run does not start") \
	X(EGRESS_END_MS, "ms", \
	    "for the counts of a run, which are in its audit log too", \
	    "the report has none") \
	X(KEEPER_READY_MS, "ms", \
	    "libraries are read from a cold disk", \
	    "the run does not start") \
	X(MINT_HOSTS_MAX, "inspected hosts of a jail", \
	    "names in one authority's constraint, which clients search", \
	    "the run does not start") \
	X(MINT_LEAVES_MAX, "certificates kept for a jail", \
	    "a jail that speaks with more is rare", \
	    "the one that was used least recently is made anew") \
	X(MINT_PEM_MAX, "bytes of an authority with the NUL", \
	    "it travels in one message", \
	    "the run does not start") \
	X(MINT_LIFE_MAX_S, "s that an authority lasts", \
	    "thirty days; a run without a wall limit may last", \
	    "programs in the jail refuse its certificates") \
	X(HELLO_BYTES_MAX, "bytes of a ClientHello", \
	    "real ones have 0.2 to 4 KiB", \
	    "the connection is refused: malformed") \
	X(HELLO_RECORDS_MAX, "records around it", \
	    "real ones have one or two", \
	    "the connection is refused: malformed") \
	X(HELLO_NAME_MAX, "bytes of the server name with the NUL", \
	    "the longest name of DNS has 253", \
	    "the connection is refused: malformed") \
	X(SCRUB_SECRETS_MAX, "secrets that responses are scrubbed of", \
	    "as many credentials as a plan may have", \
	    "the run does not start") \
	X(SCRUB_FORMS_MAX, "bytes of all forms of all secrets", \
	    "each secret has some forty forms; a table of states", \
	    "the run does not start, or the new secret is not used") \
	X(CANON_HOST_MAX, "bytes of a name", \
	    "the longest that RFC 1035 allows", \
	    "refused: malformed") \
	X(CANON_PATH_MAX, "bytes of a path", \
	    "what servers take; it is compared with every rule", \
	    "refused: malformed") \
	X(CANON_QUERY_MAX, "bytes of a query", \
	    "as long as a whole start line may be", \
	    "refused: malformed") \
	X(CANON_METHOD_MAX, "bytes of a method", \
	    "the longest registered one has 17", \
	    "refused: malformed")

#define LIMITS_DIRECTORIES(X) \
	X(TRUST_BUNDLE_MAX, "bytes of a root's bundle of authorities", \
	    "distributions have 0.2 to 0.5 MiB; it is read at each start", \
	    "the run does not start") \
	X(TRUST_CERTIFICATES_MAX, "certificates in a bundle, for Java", \
	    "distributions have some 150", \
	    "the rest is not in Java's store") \
	X(CAPTURE_PORTS_MAX, "named ports where nf_tables is missing", \
	    "each takes two listeners", \
	    "the run does not start") \
	X(IMAGE_GROUPS_MAX, "groups of an image", \
	    "4 TiB; their bitmaps are written one by one", \
	    "the run does not start") \
	X(IMAGE_LOOP_TRIES, "loop devices that others were quicker to take", \
	    "many jails may start at once", \
	    "the directory stays tmpfs, or the run does not start") \
	X(QUOTA_SPARE_BYTES, "bytes that a disk must have left beside", \
	    "the host's own programs write too", \
	    "the directory stays tmpfs")

/* clang-format on */

#endif /* !LIMITS_PARTS_H */
