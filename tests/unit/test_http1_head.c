/*
 * base/http1_{head,start,field,judge}.c: what is refused, and as what.
 *
 * Each table is a class of attack.  A row that is refused stands beside rows
 * that are accepted (NONE) and differ from it in what is attacked only.
 */
#include "unit_http1.h"

struct vector {
	const char *bytes;
	size_t size;
	enum http1_fault fault;
};

#define V(bytes, fault)                           \
	{                                         \
		BYTES(bytes), HTTP1_FAULT_##fault \
	}
#define HOST "Host: a.test\r\n"
#define GET "GET / HTTP/1.1\r\n"
#define POST "POST / HTTP/1.1\r\n" HOST
#define OK "HTTP/1.1 200 OK\r\n"

static void
expect_vectors(enum http1_kind kind, const struct vector *v, size_t count)
{
	size_t i, used, whole, bytewise;

	for (i = 0; i < count; i++) {
		autohttp1_head h, g;
		enum http1_got got, want = HTTP1_REFUSED;

		if (v[i].fault == HTTP1_FAULT_NONE)
			want = HTTP1_DONE;
		http1_head_init(&h, kind, NULL);
		http1_head_init(&g, kind, NULL);
		got = http1_read_pieces(&h, v[i].bytes, v[i].size, v[i].size,
		    &whole);
		if (got != want || h.fault != v[i].fault)
			fail_msg("%zu: got %d %s instead of %s: %s", i, got,
			    http1_fault_name(h.fault),
			    http1_fault_name(v[i].fault), v[i].bytes);
		got =
		    http1_read_pieces(&g, v[i].bytes, v[i].size, 1, &bytewise);
		assert_int_equal(got, want);
		assert_int_equal(g.fault, v[i].fault);
		if (want == HTTP1_DONE)
			assert_int_equal(whole, bytewise);
		/* It stays so, and takes nothing more. */
		assert_int_equal(http1_head_read(&h, "\r\n", 2, &used), want);
		assert_int_equal(used, 0);
	}
}

#define EXPECT(kind, ...)                                            \
	do {                                                         \
		static const struct vector rows[] = { __VA_ARGS__ }; \
		expect_vectors(kind, rows, countof(rows));           \
	} while (0)

static void
http1_request__line_ends__only_crlf(void **state)
{
	(void)state;
	EXPECT(HTTP1_REQUEST, V(GET HOST "\r\n", NONE),
	    V("GET / HTTP/1.1\n" HOST "\r\n", BARE_LF),
	    V(GET "Host: a.test\n\r\n", BARE_LF), V(GET HOST "\n", BARE_LF),
	    V(GET "Host: a.test\r\r\n\r\n", BARE_CR),
	    V(GET "Host: a\r.test\r\n\r\n", BARE_CR),
	    V(GET HOST "X: a\rY: b\r\n\r\n", BARE_CR),
	    V(GET HOST "X: a\nContent-Length: 5\r\n\r\n", BARE_LF),
	    V("GET /\r HTTP/1.1\r\n" HOST "\r\n", BARE_CR),
	    V("\r\n" GET HOST "\r\n", EMPTY_LINE),
	    V("\n" GET HOST "\r\n", BARE_LF));
}

static void
http1_request__control_bytes__refused_everywhere(void **state)
{
	(void)state;
	EXPECT(HTTP1_REQUEST, V(GET HOST "X: a\tb\r\n\r\n", NONE),
	    V(GET HOST "X: caf\xc3\xa9\r\n\r\n", NONE),
	    V("GET /\0 HTTP/1.1\r\n" HOST "\r\n", CONTROL),
	    V("G\0T / HTTP/1.1\r\n" HOST "\r\n", CONTROL),
	    V(GET HOST "X: a\0b\r\n\r\n", CONTROL),
	    V(GET HOST "X\0: a\r\n\r\n", CONTROL),
	    V(GET HOST "X: a\x01\r\n\r\n", CONTROL),
	    V(GET HOST "X: a\x0b\r\n\r\n", CONTROL),
	    V(GET HOST "X: a\x1b[2J\r\n\r\n", CONTROL),
	    V(GET HOST "X: a\x7f\r\n\r\n", CONTROL),
	    V("\x16\x03\x01\x02\x00\x01", CONTROL),
	    V("GET\t/\tHTTP/1.1\r\n" HOST "\r\n", START),
	    V("GET /\t HTTP/1.1\r\n" HOST "\r\n", TARGET));
}

static void
http1_request__start_line__three_parts_one_space(void **state)
{
	(void)state;
	EXPECT(HTTP1_REQUEST, V("get /x?y HTTP/1.1\r\n" HOST "\r\n", NONE),
	    V("M-SEARCH!#$%&'*+.^_`|~ / HTTP/1.1\r\n" HOST "\r\n", NONE),
	    V("GET\r\n\r\n", START), V("GET /\r\n\r\n", VERSION_MISSING),
	    V(" GET / HTTP/1.1\r\n" HOST "\r\n", METHOD),
	    V("G(T / HTTP/1.1\r\n" HOST "\r\n", METHOD),
	    V("G\xc3\xa9T / HTTP/1.1\r\n" HOST "\r\n", METHOD),
	    V("\"GET\" / HTTP/1.1\r\n" HOST "\r\n", METHOD),
	    V("GET  / HTTP/1.1\r\n" HOST "\r\n", TARGET),
	    V("GET /  HTTP/1.1\r\n" HOST "\r\n", TARGET),
	    V("GET / x HTTP/1.1\r\n" HOST "\r\n", TARGET),
	    V("GET  HTTP/1.1\r\n" HOST "\r\n", TARGET),
	    V("GET HTTP/1.1\r\n" HOST "\r\n", VERSION_MISSING),
	    V("GET / HTTP/1.1 \r\n" HOST "\r\n", VERSION_SYNTAX),
	    V("AAAAAAAABBBBBBBBCCCCCCCCDDDDDDDD / HTTP/1.1\r\n" HOST "\r\n",
		NONE),
	    V("AAAAAAAABBBBBBBBCCCCCCCCDDDDDDDDE / HTTP/1.1\r\n" HOST "\r\n",
		METHOD_LONG));
}

static void
http1_request__version__one_dot_one_or_zero(void **state)
{
	(void)state;
	EXPECT(HTTP1_REQUEST, V("GET / HTTP/1.0\r\n\r\n", NONE),
	    V("GET / HTTP/1.0\r\n" HOST "\r\n", NONE),
	    V("GET / HTTP/1.2\r\n" HOST "\r\n", VERSION),
	    V("GET / HTTP/0.9\r\n" HOST "\r\n", VERSION),
	    V("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", VERSION),
	    V("GET / http/1.1\r\n" HOST "\r\n", VERSION_SYNTAX),
	    V("GET / HTTP/1.10\r\n" HOST "\r\n", VERSION_SYNTAX),
	    V("GET / HTTP/01.1\r\n" HOST "\r\n", VERSION_SYNTAX),
	    V("GET / HTTP/1,1\r\n" HOST "\r\n", VERSION_SYNTAX),
	    V("GET / HTTP/1.\r\n" HOST "\r\n", VERSION_SYNTAX),
	    V("GET / HTTP/+.1\r\n" HOST "\r\n", VERSION_SYNTAX),
	    V("GET / HTTPS/1.1\r\n" HOST "\r\n", VERSION_SYNTAX));
}

static void
http1_request__target__four_forms_with_their_methods(void **state)
{
	(void)state;
	EXPECT(HTTP1_REQUEST, V("OPTIONS * HTTP/1.1\r\n" HOST "\r\n", NONE),
	    V("GET * HTTP/1.1\r\n" HOST "\r\n", TARGET_FORM),
	    V("options * HTTP/1.1\r\n" HOST "\r\n", TARGET_FORM),
	    V("GET *a HTTP/1.1\r\n" HOST "\r\n", TARGET_FORM),
	    V("CONNECT a.test:443 HTTP/1.1\r\n" HOST "\r\n", NONE),
	    V("CONNECT a.test HTTP/1.1\r\n" HOST "\r\n", AUTHORITY),
	    V("CONNECT /x HTTP/1.1\r\n" HOST "\r\n", AUTHORITY),
	    V("CONNECT http://a.test/ HTTP/1.1\r\n" HOST "\r\n", AUTHORITY),
	    V("CONNECT u@a.test:443 HTTP/1.1\r\n" HOST "\r\n", AUTHORITY),
	    V("connect a.test:443 HTTP/1.1\r\n" HOST "\r\n", TARGET_FORM),
	    V("GET a.test:443 HTTP/1.1\r\n" HOST "\r\n", TARGET_FORM),
	    V("GET x HTTP/1.1\r\n" HOST "\r\n", TARGET_FORM),
	    V("GET ?x HTTP/1.1\r\n" HOST "\r\n", TARGET_FORM),
	    V("GET http://b.test/x HTTP/1.1\r\n" HOST "\r\n", NONE),
	    V("GET HTTP://b.test HTTP/1.1\r\n" HOST "\r\n", NONE),
	    V("GET http://b.test?q HTTP/1.1\r\n" HOST "\r\n", NONE),
	    V("GET http:/b.test/x HTTP/1.1\r\n" HOST "\r\n", TARGET_FORM),
	    V("GET http:b.test/x HTTP/1.1\r\n" HOST "\r\n", TARGET_FORM),
	    V("GET ://b.test/x HTTP/1.1\r\n" HOST "\r\n", TARGET_FORM),
	    V("GET 1http://b.test/x HTTP/1.1\r\n" HOST "\r\n", TARGET_FORM),
	    V("GET ht_tp://b.test/x HTTP/1.1\r\n" HOST "\r\n", TARGET_FORM),
	    V("GET javascript:alert(1) HTTP/1.1\r\n" HOST "\r\n", TARGET_FORM),
	    V("GET http:///x HTTP/1.1\r\n" HOST "\r\n", AUTHORITY),
	    V("GET http://u@b.test/x HTTP/1.1\r\n" HOST "\r\n", AUTHORITY),
	    V("GET http://u:p@b.test/x HTTP/1.1\r\n" HOST "\r\n", AUTHORITY),
	    V("GET http://b.test:/x HTTP/1.1\r\n" HOST "\r\n", AUTHORITY));
}

static void
http1_request__target__no_fragment_backslash_or_high_byte(void **state)
{
	(void)state;
	EXPECT(HTTP1_REQUEST,
	    V("GET //b.test/\"<>^`{|}[]%00 HTTP/1.1\r\n" HOST "\r\n", NONE),
	    V("GET /x#y HTTP/1.1\r\n" HOST "\r\n", TARGET),
	    V("GET /x?y#z HTTP/1.1\r\n" HOST "\r\n", TARGET),
	    V("GET /x\\y HTTP/1.1\r\n" HOST "\r\n", TARGET),
	    V("GET \\x HTTP/1.1\r\n" HOST "\r\n", TARGET),
	    V("GET http://b.test\\@a.test/ HTTP/1.1\r\n" HOST "\r\n", TARGET),
	    V("GET /\xc3\xa9 HTTP/1.1\r\n" HOST "\r\n", TARGET),
	    V("GET /\x80 HTTP/1.1\r\n" HOST "\r\n", TARGET));
}

static void
http1_request__host__one_plain_name(void **state)
{
	(void)state;
	EXPECT(HTTP1_REQUEST, V(GET "Host:A_b-1.test.:8080\r\n\r\n", NONE),
	    V(GET "hOST: \t[::1]:1 \t \r\n\r\n", NONE),
	    V(GET "Host: 127.0.0.1:65535\r\n\r\n", NONE),
	    V(GET "\r\n", HOST_MISSING), V(GET "X: a\r\n\r\n", HOST_MISSING),
	    V(GET HOST HOST "\r\n", HOST_REPEATED),
	    V(GET HOST "host: b.test\r\n\r\n", HOST_REPEATED),
	    V("GET / HTTP/1.0\r\n" HOST HOST "\r\n", HOST_REPEATED),
	    V(GET "Host:\r\n\r\n", HOST), V(GET "Host: :80\r\n\r\n", HOST),
	    V(GET "Host: a.test,b.test\r\n\r\n", HOST),
	    V(GET "Host: a.test b.test\r\n\r\n", HOST),
	    V(GET "Host: a\ttest\r\n\r\n", HOST),
	    V(GET "Host: a.test/x\r\n\r\n", HOST),
	    V(GET "Host: http://a.test\r\n\r\n", HOST),
	    V(GET "Host: u@a.test\r\n\r\n", HOST),
	    V(GET "Host: a%2etest\r\n\r\n", HOST),
	    V(GET "Host: a.test#b\r\n\r\n", HOST),
	    V(GET "Host: a.test?b\r\n\r\n", HOST),
	    V(GET "Host: b\xc3\xbc"
		  "cher.test\r\n\r\n",
		HOST),
	    V(GET "Host: [name]\r\n\r\n", HOST),
	    V(GET "Host: []\r\n\r\n", HOST), V(GET "Host: [::1\r\n\r\n", HOST),
	    V(GET "Host: ::1\r\n\r\n", HOST),
	    V(GET "Host: [::1]x\r\n\r\n", HOST),
	    V(GET "Host: [fe80::1%25eth0]\r\n\r\n", HOST),
	    V(GET "Host: a.test:\r\n\r\n", HOST),
	    V(GET "Host: a.test:0\r\n\r\n", HOST),
	    V(GET "Host: a.test:65536\r\n\r\n", HOST),
	    V(GET "Host: a.test:443:80\r\n\r\n", HOST),
	    V(GET "Host: a.test:0443\r\n\r\n", HOST),
	    V(GET "Host: a.test:+443\r\n\r\n", HOST),
	    V(GET "Host: a.test:44 3\r\n\r\n", HOST),
	    V(GET "Host: a.test:https\r\n\r\n", HOST));
}

static void
http1_request__field_lines__name_colon_value(void **state)
{
	(void)state;
	EXPECT(HTTP1_REQUEST, V(GET HOST "X:\r\n\r\n", NONE),
	    V(GET HOST "X: a: b\r\n\r\n", NONE),
	    V(GET " Host: a.test\r\n\r\n", FOLD),
	    V(GET HOST "X: a\r\n b\r\n\r\n", FOLD),
	    V(GET HOST "X: a\r\n\tb\r\n\r\n", FOLD),
	    V(GET HOST "X: a\r\n \r\n\r\n", FOLD),
	    V(GET HOST "X\r\n\r\n", COLON),
	    V(GET HOST ": a\r\n\r\n", NAME_EMPTY),
	    V(GET HOST "X : a\r\n\r\n", NAME_SPACE),
	    V(GET HOST "Content-Length : 5\r\n\r\n", NAME_SPACE),
	    V(GET HOST "X\t: a\r\n\r\n", NAME_SPACE),
	    V(GET HOST "X Y: a\r\n\r\n", NAME),
	    V(GET HOST "X(Y): a\r\n\r\n", NAME),
	    V(GET HOST "X\xc3\xa9: a\r\n\r\n", NAME),
	    V(GET HOST "\"X\": a\r\n\r\n", NAME));
}

static void
http1_request__content_length__one_plain_number(void **state)
{
	(void)state;
	EXPECT(HTTP1_REQUEST, V(POST "Content-Length: 0\r\n\r\n", NONE),
	    V(POST "Content-Length: 5\r\n\r\n", NONE),
	    V(POST "Content-Length: 999999999999999999\r\n\r\n", NONE),
	    V(POST "Content-Length: 1000000000000000000\r\n\r\n", LENGTH_LARGE),
	    V(POST "Content-Length: 18446744073709551621\r\n\r\n",
		LENGTH_LARGE),
	    V(POST "Content-Length: 5\r\nContent-Length: 5\r\n\r\n",
		LENGTH_REPEATED),
	    V(POST "Content-Length: 5\r\ncontent-length: 6\r\n\r\n",
		LENGTH_REPEATED),
	    V(POST "Content-Length: 5, 5\r\n\r\n", LENGTH),
	    V(POST "Content-Length: 5,6\r\n\r\n", LENGTH),
	    V(POST "Content-Length:\r\n\r\n", LENGTH),
	    V(POST "Content-Length: +5\r\n\r\n", LENGTH),
	    V(POST "Content-Length: -1\r\n\r\n", LENGTH),
	    V(POST "Content-Length: 0x5\r\n\r\n", LENGTH),
	    V(POST "Content-Length: 05\r\n\r\n", LENGTH),
	    V(POST "Content-Length: 00\r\n\r\n", LENGTH),
	    V(POST "Content-Length: 5 5\r\n\r\n", LENGTH),
	    V(POST "Content-Length: 5.0\r\n\r\n", LENGTH),
	    V(POST "Content-Length: 1e1\r\n\r\n", LENGTH),
	    V(POST "Content-Length: 5a\r\n\r\n", LENGTH));
}

static void
http1_request__transfer_encoding__chunked_once_or_refused(void **state)
{
	(void)state;
	EXPECT(HTTP1_REQUEST,
	    V(POST "Transfer-Encoding: chunked\r\n\r\n", NONE),
	    V(POST "transfer-encoding: \tChunked\t\r\n\r\n", NONE),
	    V(POST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
		BOTH_LENGTHS),
	    V(POST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
		BOTH_LENGTHS),
	    V(POST "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n",
		BOTH_LENGTHS),
	    V(POST "Transfer-Encoding: chunked\r\n"
		   "Transfer-Encoding: chunked\r\n\r\n",
		CODING_REPEATED),
	    V(POST "Transfer-Encoding: chunked\r\n"
		   "Transfer-Encoding: identity\r\n\r\n",
		CODING_REPEATED),
	    V(POST "Transfer-Encoding: chunked, chunked\r\n\r\n", CODING),
	    V(POST "Transfer-Encoding: gzip, chunked\r\n\r\n", CODING),
	    V(POST "Transfer-Encoding: chunked, identity\r\n\r\n", CODING),
	    V(POST "Transfer-Encoding: ,chunked\r\n\r\n", CODING),
	    V(POST "Transfer-Encoding: chunked;q=1\r\n\r\n", CODING),
	    V(POST "Transfer-Encoding: \"chunked\"\r\n\r\n", CODING),
	    V(POST "Transfer-Encoding:\r\n\r\n", CODING),
	    V(POST "Transfer-Encoding: xchunked\r\n\r\n", CODING_UNKNOWN),
	    V(POST "Transfer-Encoding: identity\r\n\r\n", CODING_UNKNOWN),
	    V(POST "Transfer-Encoding: gzip\r\n\r\n", CODING_UNKNOWN),
	    V(POST "Transfer-Encoding : chunked\r\n\r\n", NAME_SPACE),
	    V(POST "Transfer-Encoding: \x0b"
		   "chunked\r\n\r\n",
		CONTROL),
	    V("POST / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n",
		CODING_VERSION),
	    V("CONNECT a.test:1 HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n",
		NONE),
	    V("CONNECT a.test:1 HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n",
		BODY_FORBIDDEN),
	    V("CONNECT a.test:1 HTTP/1.1\r\n" HOST
	      "Transfer-Encoding: chunked\r\n\r\n",
		BODY_FORBIDDEN));
}

static void
http1_request__connection__cannot_take_framing_away(void **state)
{
	(void)state;
	EXPECT(HTTP1_REQUEST,
	    V(GET HOST "Connection: close, X-A,,TE\r\n\r\n", NONE),
	    V(GET HOST "Connection: Authorization\r\n\r\n", NONE),
	    V(GET HOST "Connection: close, Host\r\n\r\n", CONNECTION_FIELD),
	    V(POST "Connection: content-length\r\nContent-Length: 5\r\n\r\n",
		CONNECTION_FIELD),
	    V(POST "Connection: Transfer-Encoding\r\n\r\n", CONNECTION_FIELD),
	    V(GET HOST "Connection: a b\r\n\r\n", CONNECTION),
	    V(GET HOST "Connection: close;x\r\n\r\n", CONNECTION),
	    V(GET HOST "Connection: ,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,\r\n\r\n",
		NONE),
	    V(GET HOST "Connection: ,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,,\r\n\r\n",
		CONNECTION_MANY),
	    V(GET HOST "Connection: ,,,,,,,,,,,,,,,,\r\n"
		       "Connection: ,,,,,,,,,,,,,,,,\r\n\r\n",
		CONNECTION_MANY));
}

static void
http1_request__expect__100_continue_or_417(void **state)
{
	(void)state;
	EXPECT(HTTP1_REQUEST, V(POST "Expect: 100-Continue\r\n\r\n", NONE),
	    V(POST "Expect: 200-ok\r\n\r\n", EXPECT),
	    V(POST "Expect: 100-continue, x\r\n\r\n", EXPECT),
	    V(POST "Expect:\r\n\r\n", EXPECT),
	    V("POST / HTTP/1.0\r\nExpect: x\r\n\r\n", NONE));
	assert_int_equal(http1_fault_status(HTTP1_FAULT_EXPECT), 417);
}

static void
http1_response__status_line__version_and_three_digits(void **state)
{
	(void)state;
	EXPECT(HTTP1_RESPONSE, V(OK "\r\n", NONE),
	    V("HTTP/1.0 404 Not \xc3\xa9\r\n\r\n", NONE),
	    V("HTTP/1.1 200 \r\n\r\n", NONE), V("HTTP/1.1 200\r\n\r\n", NONE),
	    V("HTTP/1.1 599 x\r\n\r\n", NONE),
	    V("HTTP/1.1 099 x\r\n\r\n", STATUS),
	    V("HTTP/1.1 600 x\r\n\r\n", STATUS),
	    V("HTTP/1.1 20 x\r\n\r\n", STATUS),
	    V("HTTP/1.1 2000 x\r\n\r\n", STATUS),
	    V("HTTP/1.1 +20 x\r\n\r\n", STATUS),
	    V("HTTP/1.1  200 x\r\n\r\n", STATUS),
	    V("HTTP/1.1\t200 x\r\n\r\n", STATUS),
	    V("HTTP/1.1 200\tx\r\n\r\n", STATUS), V("HTTP/1.1\r\n\r\n", STATUS),
	    V("HTTP/2 200 OK\r\n\r\n", VERSION_SYNTAX),
	    V("HTTP/2.0 200 OK\r\n\r\n", VERSION),
	    V("ICY 200 OK\r\n\r\n", VERSION_SYNTAX),
	    V("<html>\r\n</html>\r\n", VERSION_SYNTAX),
	    V("HTTP/1.1 200 O\0K\r\n\r\n", CONTROL),
	    V("HTTP/1.1 200 OK\n\r\n", BARE_LF),
	    V("\r\nHTTP/1.1 200 OK\r\n\r\n", EMPTY_LINE));
}

static void
http1_response__lengths__told_once_and_in_one_way(void **state)
{
	(void)state;
	EXPECT(HTTP1_RESPONSE, V(OK "Content-Length: 5\r\n\r\n", NONE),
	    V(OK "Host: a\r\nHost: b\r\nExpect: x\r\n\r\n", NONE),
	    V(OK "Content-Length: 5\r\nContent-Length: 5\r\n\r\n",
		LENGTH_REPEATED),
	    V(OK "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
		BOTH_LENGTHS),
	    V(OK "Transfer-Encoding: gzip, chunked\r\n\r\n", CODING),
	    V("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
		CODING_VERSION),
	    V(OK "X: a\r\n b\r\n\r\n", FOLD),
	    V(OK "X: a\nY: b\r\n\r\n", BARE_LF),
	    V("HTTP/1.1 204 x\r\nContent-Length: 0\r\n\r\n", NONE),
	    V("HTTP/1.1 204 x\r\nContent-Length: 1\r\n\r\n", BODY_FORBIDDEN),
	    V("HTTP/1.1 204 x\r\nTransfer-Encoding: chunked\r\n\r\n",
		BODY_FORBIDDEN),
	    V("HTTP/1.1 100 x\r\nContent-Length: 1\r\n\r\n", BODY_FORBIDDEN),
	    V("HTTP/1.1 101 x\r\nTransfer-Encoding: chunked\r\n\r\n",
		BODY_FORBIDDEN),
	    V("HTTP/1.1 304 x\r\nContent-Length: 7\r\n\r\n", NONE));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(http1_request__line_ends__only_crlf),
		cmocka_unit_test(
		    http1_request__control_bytes__refused_everywhere),
		cmocka_unit_test(
		    http1_request__start_line__three_parts_one_space),
		cmocka_unit_test(http1_request__version__one_dot_one_or_zero),
		cmocka_unit_test(
		    http1_request__target__four_forms_with_their_methods),
		cmocka_unit_test(
		    http1_request__target__no_fragment_backslash_or_high_byte),
		cmocka_unit_test(http1_request__host__one_plain_name),
		cmocka_unit_test(http1_request__field_lines__name_colon_value),
		cmocka_unit_test(
		    http1_request__content_length__one_plain_number),
		cmocka_unit_test(
		    http1_request__transfer_encoding__chunked_once_or_refused),
		cmocka_unit_test(
		    http1_request__connection__cannot_take_framing_away),
		cmocka_unit_test(http1_request__expect__100_continue_or_417),
		cmocka_unit_test(
		    http1_response__status_line__version_and_three_digits),
		cmocka_unit_test(
		    http1_response__lengths__told_once_and_in_one_way),
	};

	return cmocka_run_group_tests_name("http1_head", tests, NULL, NULL);
}
