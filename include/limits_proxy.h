/*
 * limits_proxy.h: the numbers of warder-proxy, each with its reason.
 *
 * Listed by limit.h, so that docs/limits.md has them.
 */
#ifndef LIMITS_PROXY_H
#define LIMITS_PROXY_H

enum {
	PROXY_JAILS_MAX = 64,
	PROXY_CONNECTIONS_MAX = 256,
	PROXY_FILES_MAX = 4096,
	PROXY_FILES_RESERVE = 64,
	PROXY_BUFFER_BYTES = 64 * 1024, /* that of stream.h */
	PROXY_ADDRESSES_MAX = 16,
	PROXY_RESOLVE_MS = 10 * 1000,
	PROXY_RESOLVES_MAX = 64,
	PROXY_DIAL_MS = 10 * 1000,
	PROXY_REACH_MS = 30 * 1000,
	PROXY_HELLO_MS = 10 * 1000,
	PROXY_HEAD_MS = 30 * 1000,
	PROXY_KEEP_MS = 2 * 60 * 1000,
	PROXY_KEPT_JAIL = 128,
	PROXY_KEPT = 768,
	PROXY_KEPT_MS = 2 * 60 * 1000,
	PROXY_IDLE_MS = 10 * 60 * 1000,
	PROXY_EXCHANGE_MS = 24 * 60 * 60 * 1000,
	PROXY_RESPONSE_MIB_MAX = 64 * 1024,
	PROXY_LINGER_MS = 2 * 1000,
	PROXY_LINGER_BYTES = 256 * 1024,
	PROXY_REQUESTS_MAX = 10000,
	PROXY_INFORMATIONAL_MAX = 8,
	PROXY_RETIRED_MS = 250,
	PROXY_TOKEN_MS = 2000,
	PROXY_TOKENS_PAST = 3,
	PROXY_AUDIT_SEGMENT_BYTES = 16 * 1024 * 1024,
	PROXY_AUDIT_SEGMENTS_MAX = 64,
	PROXY_DNS_TCP_MAX = 16,
	PROXY_DNS_TCP_MS = 10 * 1000,
	PROXY_DNS_BATCH = 32,
};

/* clang-format off */
/*   name, unit, reason, one past it */
#define LIMITS_PROXY(X) \
	X(PROXY_JAILS_MAX, "jails a proxy", \
	    "a fixed table; a tenant with more gets more proxies", \
	    "the jail is refused before it starts") \
	X(PROXY_CONNECTIONS_MAX, "connections a jail", \
	    "browsers and package managers open dozens", \
	    "the next ones wait unaccepted") \
	X(PROXY_FILES_MAX, "descriptors of the proxy", \
	    "all jails of a tenant at their cap still fit on average", \
	    "accepting pauses before it is reached") \
	X(PROXY_FILES_RESERVE, "descriptors", \
	    "those who were accepted must still be able to dial", \
	    "accepting pauses while fewer are free") \
	X(PROXY_BUFFER_BYTES, "bytes a direction of a connection", \
	    "four TLS records: fewer wake-ups than bytes would make", \
	    "reading the other side pauses") \
	X(PROXY_ADDRESSES_MAX, "addresses of a name", \
	    "more than any service needs to be reached", \
	    "the rest is not looked at") \
	X(PROXY_RESOLVE_MS, "ms", \
	    "two tries at two servers", \
	    "502, unavailable") \
	X(PROXY_RESOLVES_MAX, "names a jail has looked up at a time", \
	    "the resolver's memory and its server's patience", \
	    "503, limit; who asks for one of them waits with it") \
	X(PROXY_DIAL_MS, "ms an address", \
	    "three lost SYN packets", \
	    "the next address, at the end 502, unavailable") \
	X(PROXY_REACH_MS, "ms", \
	    "a name and two addresses that do not answer", \
	    "a tunnel's client is told 504, unavailable, or reset") \
	X(PROXY_HELLO_MS, "ms", \
	    "a client that has connected says so at once", \
	    "the connection is closed") \
	X(PROXY_HEAD_MS, "ms", \
	    "a head comes in one packet or a few", \
	    "408 or, where nothing had come, the connection is closed") \
	X(PROXY_KEEP_MS, "ms between two requests", \
	    "above what clients keep a connection for", \
	    "the connection is closed") \
	X(PROXY_KEPT_JAIL, "connections to services a jail keeps", \
	    "half of what it may have of its own; 26 KiB each", \
	    "those used least recently are closed, or none is kept") \
	X(PROXY_KEPT, "kept connections of all jails", \
	    "descriptors: jails that wait must not starve others", \
	    "those used least recently are closed, or none is kept") \
	X(PROXY_KEPT_MS, "ms without a request of their pool", \
	    "servers keep theirs no longer, and libcurl uses none that old", \
	    "kept connections are closed") \
	X(PROXY_IDLE_MS, "ms without a byte either way", \
	    "above the pauses of models that think and of long polls", \
	    "the connection is closed") \
	X(PROXY_EXCHANGE_MS, "ms for a request and its response", \
	    "a stream of events may last a day, then its client asks again", \
	    "504, limit, or the response is cut off") \
	X(PROXY_RESPONSE_MIB_MAX, "MiB of a response", \
	    "images and models are tens of GiB; a jail must not be filled", \
	    "502, limit, or the response is cut off") \
	X(PROXY_LINGER_MS, "ms", \
	    "a refusal must arrive before the reset would overtake it", \
	    "the connection is closed") \
	X(PROXY_LINGER_BYTES, "bytes", \
	    "of a body that is thrown away after a refusal", \
	    "the connection is closed") \
	X(PROXY_REQUESTS_MAX, "requests a connection", \
	    "memory of libraries behind a connection grows slowly", \
	    "the response says Connection: close") \
	X(PROXY_INFORMATIONAL_MAX, "1xx responses before a final one", \
	    "servers send one or two", \
	    "the client is answered 502") \
	X(PROXY_RETIRED_MS, "ms between looks, after a reload", \
	    "connections of an earlier policy go soon after their last use", \
	    "those that are not in use are closed") \
	X(PROXY_TOKEN_MS, "ms that an answer of the vault is used", \
	    "what is rotated or removed counts soon, and a burst asks once", \
	    "the vault is asked again") \
	X(PROXY_TOKENS_PAST, "earlier secrets of a credential", \
	    "a token of before the refresh may still be valid and echoed", \
	    "responses are scrubbed of the oldest no more") \
	X(PROXY_AUDIT_SEGMENT_BYTES, "bytes of a segment of the audit log", \
	    "read and signed in a tenth of a second", \
	    "the next line but a few begins another segment") \
	X(PROXY_AUDIT_SEGMENTS_MAX, "segments of a run", \
	    "some three million lines; a jail must not fill the disk", \
	    "the last one fills up to twice its size; then nothing is " \
	    "allowed") \
	X(PROXY_DNS_TCP_MAX, "DNS connections over TCP a jail", \
	    "they are rare: only answers cut off lead to them", \
	    "the oldest is closed") \
	X(PROXY_DNS_TCP_MS, "ms", \
	    "a resolver that has connected asks at once", \
	    "the connection is closed") \
	X(PROXY_DNS_BATCH, "queries a turn", \
	    "a flood of queries must not starve connections", \
	    "the rest waits for the next turn")

/* clang-format on */

#endif /* !LIMITS_PROXY_H */
