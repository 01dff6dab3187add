/*
 * http1.h: a strict HTTP/1.1 codec: message heads, bodies, and back to bytes.
 *
 * Run by the proxy on hostile bytes from both sides and by the API server on
 * those of its clients.  It does no I/O, keeps no time and calls nobody back:
 * bytes come in by pointer, in pieces of any size, and go out into a buf.
 * What two readers could take differently is refused, never repaired, so that
 * no message means one thing here and another behind us.  The grammar is that
 * of RFC 9110 and RFC 9112 without its leniencies; where the RFCs let a
 * recipient choose, this one refuses.
 *
 * After a refusal the connection is good for one answer and must be closed:
 * nobody knows where the next message begins.
 *
 * Not here: the canonical form of hosts and paths, which methods or
 * destinations are right, times, and the size of bodies.
 */
#ifndef HTTP1_H
#define HTTP1_H

#include <stdint.h>

#include "buf.h"
#include "err.h"

enum {
	HTTP1_METHOD_MAX = 32, /* bytes */
	HTTP1_START_MAX = 16384, /* bytes of a start line */
	HTTP1_FIELD_MAX = 16384, /* bytes of "name: value" */
	HTTP1_FIELDS_MAX = 128,
	HTTP1_HEAD_MAX = 65536, /* bytes of a whole head */
	HTTP1_CONNECTION_MAX = 32, /* options in Connection */
	HTTP1_TRAILERS_MAX = 32,
	HTTP1_TRAILER_BYTES_MAX = 8192, /* of all trailers together */
	HTTP1_CHUNK_DIGITS_MAX = 15, /* so that a size never overflows */
	HTTP1_CHUNK_LINE_MAX = 256, /* bytes of a chunk's size line */
	HTTP1_CHUNK_EXT_MAX = 16384, /* bytes of a body's extensions */
	HTTP1_LENGTH_DIGITS_MAX = 18, /* of Content-Length: below 2^63 */
};

/* What a caller may set otherwise, each at most 16 MiB. */
struct http1_limits {
	uint32_t start_bytes;
	uint32_t field_bytes;
	uint32_t fields;
	uint32_t head_bytes;
	uint32_t trailers;
	uint32_t trailer_bytes;
	uint32_t chunk_ext_bytes;
};

/* The values above. */
extern const struct http1_limits http1_limits_default;

/*
 * Why a message is refused: its name in tests and logs, the status that a
 * server answers (one that reads a response answers its own client 502
 * instead), and a text that contains nothing of the message.
 */
/* clang-format off */
#define HTTP1_FAULTS(X) \
	X(NONE,              200, "no fault") \
	X(CONTROL,           400, "a NUL or another control byte") \
	X(BARE_LF,           400, "LF without CR before it") \
	X(BARE_CR,           400, "CR without LF after it") \
	X(EMPTY_LINE,        400, "an empty line before the start line") \
	X(START_LONG,        414, "the start line is too long") \
	X(START,             400, "the start line is malformed") \
	X(METHOD,            400, "the method is not a token") \
	X(METHOD_LONG,       501, "the method is too long") \
	X(TARGET,            400, "the request target has a byte that it must not have") \
	X(TARGET_FORM,       400, "the request target does not suit the method") \
	X(AUTHORITY,         400, "the request target's authority is malformed") \
	X(VERSION_MISSING,   400, "no version: HTTP/0.9 is not spoken") \
	X(VERSION_SYNTAX,    400, "the version is malformed") \
	X(VERSION,           505, "neither HTTP/1.1 nor HTTP/1.0") \
	X(STATUS,            400, "the status is not a number from 100 to 599") \
	X(FOLD,              400, "a line begins with a space or a tab") \
	X(COLON,             400, "a field without a colon") \
	X(NAME_EMPTY,        400, "a field without a name") \
	X(NAME_SPACE,        400, "white space before a field's colon") \
	X(NAME,              400, "a field name is not a token") \
	X(FIELD_LONG,        431, "a field is too long") \
	X(FIELDS_MANY,       431, "too many fields") \
	X(HEAD_LONG,         431, "the fields are too long together") \
	X(HOST_MISSING,      400, "no Host") \
	X(HOST_REPEATED,     400, "more than one Host") \
	X(HOST,              400, "Host is malformed") \
	X(LENGTH,            400, "Content-Length is not one plain number") \
	X(LENGTH_REPEATED,   400, "more than one Content-Length") \
	X(LENGTH_LARGE,      413, "Content-Length is beyond all bounds") \
	X(CODING,            400, "Transfer-Encoding is not exactly \"chunked\"") \
	X(CODING_REPEATED,   400, "more than one Transfer-Encoding") \
	X(CODING_UNKNOWN,    501, "an unknown transfer coding") \
	X(CODING_VERSION,    400, "Transfer-Encoding with HTTP/1.0") \
	X(BOTH_LENGTHS,      400, "Content-Length and Transfer-Encoding") \
	X(BODY_FORBIDDEN,    400, "a body where none can be") \
	X(CONNECTION,        400, "Connection is not a list of tokens") \
	X(CONNECTION_FIELD,  400, "Connection names a field that must stay") \
	X(CONNECTION_MANY,   400, "too many options in Connection") \
	X(EXPECT,            417, "an expectation other than 100-continue") \
	X(CHUNK_SIZE,        400, "a chunk size is malformed") \
	X(CHUNK_EXT,         400, "a chunk extension is malformed") \
	X(CHUNK_LINE_LONG,   400, "a chunk's size line is too long") \
	X(CHUNK_EXT_LONG,    400, "the chunk extensions are too long together") \
	X(CHUNK_END,         400, "no CRLF after a chunk's data") \
	X(TRAILER_FRAMING,   400, "a trailer tells where the body ends") \
	X(CUT,               400, "the message ends too early") \
	X(MEMORY,            503, "no memory")

/* clang-format on */

enum http1_fault {
#define X(name, status, text) HTTP1_FAULT_##name,
	HTTP1_FAULTS(X)
#undef X
	HTTP1_FAULT__MAX
};

/* The table's columns. */
const char *http1_fault_name(enum http1_fault f);
unsigned http1_fault_status(enum http1_fault f);
const char *http1_fault_text(enum http1_fault f);

enum http1_kind {
	HTTP1_REQUEST,
	HTTP1_RESPONSE,
	HTTP1_TRAILERS, /* fields without a start line */
};

/* Bytes inside something else; at is NULL where there is nothing. */
struct http1_slice {
	const char *at;
	size_t size;
};

/*
 * What a head says about itself, as it was read: later edits change nothing
 * here.  All zero in a head that was made, not read.
 */
struct http1_facts {
	uint64_t length; /* Content-Length, where has_length */
	unsigned has_host : 1;
	unsigned has_length : 1;
	unsigned chunked : 1; /* Transfer-Encoding: chunked */
	unsigned persists : 1; /* the connection may carry another message */
	unsigned wants_continue : 1; /* Expect: 100-continue */
	unsigned upgrade : 1; /* Upgrade, and Connection says so */
	unsigned wants_trailers : 1; /* TE: trailers */
};

/*
 * A head.  The fields down to "facts" are for reading once it is done (minor
 * may be set: what http1_head_write writes); the rest is the codec's.
 * Copied, added and read bytes lie in one block of the head's own, at most
 * twice limits.head_bytes, wiped when it is given back: it may hold
 * credentials.
 */
struct http1_head {
	enum http1_kind kind;
	enum http1_fault fault;
	unsigned minor; /* of HTTP/1.minor: 0 or 1 */
	unsigned status; /* of a response: 100 to 599 */
	struct http1_facts facts;

	struct http1_limits limits;
	char *text;
	uint32_t text_size, text_room;
	struct http1_item *items;
	uint32_t count, room;
	uint32_t line; /* where the line being read begins in text */
	uint32_t bytes; /* of the complete lines */
	uint32_t first; /* in text: method or reason */
	uint32_t target; /* in text */
	unsigned char state;
	unsigned char cr; /* the last byte was CR */
};

/* Empty, ready to read or to be made; allocates nothing.  limits may be NULL:
 * the defaults. */
void http1_head_init(struct http1_head *h, enum http1_kind kind,
    const struct http1_limits *limits);

/* Wiped and empty for the next message of the same kind; keeps its memory,
 * which http1_head_finish gives back where a connection idles. */
void http1_head_reset(struct http1_head *h);

/* Wipe and free; the head is as after http1_head_init. */
void http1_head_finish(struct http1_head *h);

#define autohttp1_head cleanup(http1_head_finish) struct http1_head

enum http1_got {
	HTTP1_REFUSED = -1, /* see .fault; read no more */
	HTTP1_MORE = 0, /* all bytes are used, more must come */
	HTTP1_DONE = 1, /* ends after *ret_used bytes, which may be < n */
};

/*
 * Read the next n bytes of a message's head.  Never uses a byte behind the
 * empty line that ends it.  The result does not depend on how the bytes are
 * cut into pieces, and the time is linear in their number.  Once done or
 * refused, returns the same again and uses nothing.
 *
 * A head that is done has passed every check of this file: one Host (none is
 * possible with HTTP/1.0), one way to tell its body's length, and so on.
 */
enum http1_got http1_head_read(struct http1_head *h, const void *p, size_t n,
    size_t *ret_used);

/* Whether nothing of a message has come yet: an idle connection may end. */
int http1_head_is_empty(const struct http1_head *h);

/*
 * Texts of the head end in NUL and contain none; they are valid until the
 * next call that is not const.  Method and target of a request, reason of a
 * response (may be ""), as they were sent; methods are case-sensitive.
 */
const char *http1_head_method(const struct http1_head *h);
const char *http1_head_target(const struct http1_head *h);
const char *http1_head_reason(const struct http1_head *h);

/* The four forms of a request target, RFC 9112 section 3.2. */
enum http1_form {
	HTTP1_ORIGIN, /* /path?query (the path may begin with "//") */
	HTTP1_ABSOLUTE, /* scheme://host:port/path?query */
	HTTP1_AUTHORITY, /* host:port, of CONNECT and only of CONNECT */
	HTTP1_ASTERISK, /* *, of OPTIONS and only of OPTIONS */
};

/*
 * A host is letters, digits and "-._", or digits, ":" and "." in brackets,
 * which it keeps.  There is never user information.  Nothing is decoded and
 * no letter changed: the canonical form is the caller's.
 */
struct http1_authority {
	struct http1_slice host;
	unsigned port; /* 1 to 65535; 0: not given */
};

struct http1_target {
	enum http1_form form;
	struct http1_slice scheme; /* HTTP1_ABSOLUTE */
	struct http1_authority authority; /* HTTP1_ABSOLUTE, HTTP1_AUTHORITY */
	struct http1_slice path; /* "" in http://host; "*" */
	struct http1_slice query; /* without "?"; at is NULL if there is none */
};

/* The request's target, taken apart; borrows from h. */
void http1_head_split(const struct http1_head *h, struct http1_target *ret);

/* What Host says, borrowed from h; -1 if there is none. */
int http1_head_host(const struct http1_head *h, struct http1_authority *ret);

/* Take host[:port] apart, borrowing from s; -1 if it is malformed. */
int http1_authority_split(const char *s, size_t n, struct http1_authority *ret);

/*
 * Fields, in the order of the message; a name may come more than once.
 * Names compare without regard to case.  Values have no white space around
 * them, no control byte but tabs, and may have bytes above 127.
 */
struct http1_field {
	const char *name, *value; /* both end in NUL */
	size_t name_size, value_size;
};

#define HTTP1_NOWHERE SIZE_MAX

size_t http1_head_count(const struct http1_head *h);

/* The field at i < count; borrows from h. */
struct http1_field http1_head_field(const struct http1_head *h, size_t i);

/* The first field of that name at "from" or behind, or HTTP1_NOWHERE. */
size_t http1_head_find(const struct http1_head *h, const char *name,
    size_t from);

/* The first field's value, or NULL. */
const char *http1_head_get(const struct http1_head *h, const char *name);

/*
 * Whether one of the fields of that name, read as lists separated by commas,
 * has the token (without regard to case): Connection, Upgrade, TE, Vary ...
 */
int http1_head_has_token(const struct http1_head *h, const char *name,
    const char *token);

/*
 * Cut the next element off a list: *list loses it and its comma, and what is
 * returned has no white space around it.  Empty elements are passed over;
 * at is NULL at the end.
 */
struct http1_slice http1_list_next(struct http1_slice *list);

/*
 * Add a field at the end, or put one in the place of all of its name.  White
 * space around the value goes.  ERR_INVALID if the name is not a token or the
 * value could not be in a message; ERR_LIMIT if the head would then be above
 * its limits; nothing has changed then.
 */
must_check int http1_head_add(struct http1_head *h, const char *name,
    const char *value, size_t value_size, struct err *e);
must_check int http1_head_set(struct http1_head *h, const char *name,
    const char *value, size_t value_size, struct err *e);

/* Remove all fields of that name, or the one at i; returns how many. */
size_t http1_head_remove(struct http1_head *h, const char *name);
void http1_head_remove_at(struct http1_head *h, size_t i);

/*
 * Remove what belongs to one connection only (RFC 9110 section 7.6.1): every
 * field that Connection names, then those of a fixed table (Connection,
 * Keep-Alive, Proxy-*, TE, Transfer-Encoding, Upgrade ...).  Do it before
 * you add a credential: a client can name any field.
 */
void http1_head_remove_hop(struct http1_head *h);

/* Whether the name is in the table of http1_head_remove_hop. */
int http1_is_hop(const char *name, size_t size);

/* How the end of a body is told, RFC 9112 section 6.3. */
enum http1_framing {
	HTTP1_BODY_NONE, /* there is no body */
	HTTP1_BODY_LENGTH, /* so many bytes, may be 0 */
	HTTP1_BODY_CHUNKED,
	HTTP1_BODY_CLOSE, /* responses: until the connection ends */
	HTTP1_BODY_TUNNEL, /* no body; what follows is not HTTP any more */
};

/*
 * The framing of the body behind a head that was read, by its facts.  For a
 * response, method is that of the request that it answers: HEAD and CONNECT
 * change everything.  For a request it is not looked at.  Behind a response
 * 1xx (but 101) comes another one: callers count them, a server can send them
 * for ever.
 */
enum http1_framing http1_head_framing(const struct http1_head *h,
    const char *method, uint64_t *ret_bytes);

/*
 * Say in the head how its body will be sent: Content-Length and
 * Transfer-Encoding are replaced by the one field that is right, or by none.
 * Errors as of http1_head_add.
 */
must_check int http1_head_set_framing(struct http1_head *h,
    enum http1_framing f, uint64_t bytes, struct err *e);

/*
 * Make a head: HTTP/1.1, no fields.  What was in h goes, so nothing may be
 * borrowed from it.  reason may be NULL: the usual one.  http1_head_set_target changes a request's target and leaves
 * the rest.  ERR_INVALID if it could not be in a message, ERR_LIMIT.
 */
must_check int http1_head_make_request(struct http1_head *h, const char *method,
    const char *target, struct err *e);
must_check int http1_head_make_response(struct http1_head *h, unsigned status,
    const char *reason, struct err *e);
must_check int http1_head_set_target(struct http1_head *h, const char *target,
    struct err *e);

/* The usual reason phrase, "" for a status without one. */
const char *http1_reason(unsigned status);

/*
 * Append the head to out.  It is judged again first, edits and all:
 * ERR_INVALID if http1_head_read would refuse it.  So neither a byte nor a
 * combination of fields gets out that could not get in.
 */
must_check int http1_head_write(const struct http1_head *h, struct buf *out,
    struct err *e);

/*
 * A body being read.  "bytes" is the payload so far; "trailers" has those of
 * a chunked body when it is done, without the fields that only a head may
 * have (http1_is_forbidden_trailer); Content-Length and Transfer-Encoding
 * among them are refused.
 */
struct http1_body {
	enum http1_fault fault;
	uint64_t bytes;
	struct http1_head trailers;

	enum http1_framing framing;
	uint64_t left; /* of the chunk, or of the body */
	uint32_t ext_bytes, ext_max;
	uint32_t line_size;
	unsigned char state;
	unsigned char cr;
	char line[HTTP1_CHUNK_LINE_MAX];
};

/* bytes: of HTTP1_BODY_LENGTH.  Allocates nothing.  limits as of a head. */
void http1_body_init(struct http1_body *b, enum http1_framing f, uint64_t bytes,
    const struct http1_limits *limits);
void http1_body_finish(struct http1_body *b);

#define autohttp1_body cleanup(http1_body_finish) struct http1_body

/*
 * Read the next n bytes of a body; *ret_payload is the payload among them,
 * at most one piece a call, borrowed from p (size 0 if there is none).
 * HTTP1_MORE: go on with what is behind *ret_used bytes, which is more than 0
 * if n is.  HTTP1_DONE may come with a payload; bytes behind *ret_used belong
 * to the next message.  HTTP1_REFUSED: forward nothing further, and let
 * nobody take what was forwarded for a whole body.
 */
enum http1_got http1_body_read(struct http1_body *b, const void *p, size_t n,
    size_t *ret_used, struct http1_slice *ret_payload);

/* The connection has ended: HTTP1_DONE where that is the body's end, or if
 * it was done before; otherwise HTTP1_REFUSED with HTTP1_FAULT_CUT. */
enum http1_got http1_body_end(struct http1_body *b);

/*
 * Whether a trailer of that name is dropped (RFC 9110 section 6.5.1): framing,
 * routing, authentication, request modifiers, how content is read.
 */
int http1_is_forbidden_trailer(const char *name, size_t size);

/* Append n bytes as one chunk; nothing if n is 0, which would end the body. */
must_check int http1_chunk_write(const void *p, size_t n, struct buf *out,
    struct err *e);

/* Append the last chunk.  trailers may be NULL; ERR_INVALID if one of them is
 * forbidden. */
must_check int http1_chunk_end(const struct http1_head *trailers,
    struct buf *out, struct err *e);

#endif /* !HTTP1_H */
