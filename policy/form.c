#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "canon.h"
#include "form.h"
#include "path.h"

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define UPPER "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGIT "0123456789"
#define HEX_UPPER "0123456789ABCDEF"
#define UNRESERVED LOWER UPPER DIGIT "-._~"

enum {
	HOST_MAX = CANON_HOST_MAX,
	PORT_MAX = 65535
};

static int
is_all(const char *s, const char *set)
{
	return s[strspn(s, set)] == '\0';
}

/* One part of a name: letters, digits, then . _ - as well. */
static int
is_name(const char *s, size_t n)
{
	static const char set[] = LOWER UPPER DIGIT "._-";

	return n > 0 && n <= FORM_NAME_MAX && strspn(s, set) >= n &&
	       strchr("._-", *s) == NULL;
}

const char *
form_name(struct yaml_node *n)
{
	return is_name(n->text, strlen(n->text))
		   ? NULL
		   : "is not a name: letters, digits, \".\", \"_\", \"-\", beginning "
		     "with a letter or digit, at most 64";
}

const char *
form_text(struct yaml_node *n)
{
	size_t size = strlen(n->text), i, len, count = 0;

	for (i = 0; i < size; i += len == 0 ? 1 : len, count++)
		len = text_utf8_length(n->text + i, size - i, NULL);
	if (count == 0)
		return "is empty";
	return count <= FORM_TEXT_MAX ? NULL : "is longer than 1024 characters";
}

const char *
form_reference(struct yaml_node *n)
{
	static const char wrong[] =
	    "is not a reference: \"name\", \"org/name\", \"builtin/default\" "
	    "or \"./file.yaml\"";
	const char *s = n->text;
	size_t len;

	if (strlen(s) > 255)
		return "is longer than 255 bytes";
	if (strncmp(s, "./", 2) == 0)
		s += 2;
	while (strncmp(s, "../", 3) == 0)
		s += 3;
	for (;; s += len + 1) {
		len = strcspn(s, "/");
		if (!is_name(s, len))
			return wrong;
		if (s[len] == '\0')
			return NULL;
	}
}

const char *
form_env_name(struct yaml_node *n)
{
	const char *s = n->text;

	if (*s == '\0' || strlen(s) > 255 || strchr(DIGIT, *s) != NULL ||
	    !is_all(s, LOWER UPPER DIGIT "_"))
		return "is not a variable's name: letters, digits and \"_\", "
		       "not beginning with a digit";
	return NULL;
}

const char *
form_env_value(struct yaml_node *n)
{
	return strlen(n->text) <= FORM_ENV_VALUE_MAX
		   ? NULL
		   : "is longer than 8192 bytes";
}

const char *
form_jail_path(struct yaml_node *n)
{
	const char *why = path_defect(n->text);

	if (why != NULL && n->text[0] != '/')
		return "is not absolute: it is a path in the jail, such as "
		       "/workspace";
	return why;
}

const char *
form_host_path(struct yaml_node *n)
{
	const struct yaml_source *s = n->source;
	char path[PATH_SIZE];
	struct err e;

	if (path_resolve(n->text, s->dir, s->home, path, &e) == -1)
		return arena_printf(s->arena, "is not usable: %s", e.msg);
	n->text = arena_copy(s->arena, path, strlen(path));
	return NULL;
}

const char *
form_protect(struct yaml_node *n)
{
	static const char tail[] = "/**";
	size_t size = strlen(n->text), cut = sizeof(tail) - 1;
	const char *path = n->text;

	if (size > cut && strcmp(path + size - cut, tail) == 0) {
		path = arena_copy(n->source->arena, path, size - cut);
		n->number = 1;
	}
	if (strpbrk(path, "*?[") != NULL)
		return "has a pattern: only literal paths and dir/** can be "
		       "protected";
	if (path_defect(path) != NULL)
		return path_defect(path);
	n->text = path;
	return NULL;
}

const char *
form_syscall(struct yaml_node *n)
{
	size_t size = strlen(n->text);

	return size > 0 && size <= 64 && is_all(n->text, LOWER DIGIT "_")
		   ? NULL
		   : "is not the name of a system call, such as keyctl";
}

/* A port as decimal digits without leading zeros; 0 if it is none. */
static uint64_t
port_of(const char *s)
{
	uint64_t port;

	if (*s < '1' || *s > '9' || text_parse_u64(s, PORT_MAX, &port, NULL))
		return 0;
	return port;
}

/* Split "host:port", "[v6]:port", "host"; -1 if the port is wrong. */
static int
split_port(const char *s, char host[HOST_MAX + 3], uint64_t *ret_port)
{
	const char *colon;
	size_t n;

	if (*s == '[') {
		colon = strchr(s, ']');
		if (colon == NULL)
			return -1;
		n = (size_t)(++colon - s);
	} else
		n = strcspn(s, ":");
	if (n == 0 || n >= HOST_MAX + 3)
		return -1;
	colon = s + n;
	memcpy(host, s, n);
	host[n] = '\0';
	*ret_port = 0;
	if (*colon == '\0')
		return 0;
	if (*colon != ':' || (*ret_port = port_of(colon + 1)) == 0)
		return -1;
	return 0;
}

/* An address in the one spelling that inet_ntop gives it. */
static int
is_address(int family, const char *s)
{
	char back[INET6_ADDRSTRLEN];
	struct in6_addr a;

	return inet_pton(family, s, &a) == 1 &&
	       inet_ntop(family, &a, back, sizeof(back)) != NULL &&
	       strcmp(back, s) == 0;
}

/* [IPv6] in its canonical form. */
static int
is_bracketed(const char *host)
{
	return host[0] == '[' && canon_is_host(host);
}

/* What canon.c would mend in a request is spelled out in a policy. */
static const char *
spelling_defect(struct yaml_node *n, const char *host)
{
	char canonical[CANON_HOST_SIZE];
	size_t size = strlen(host);
	struct err e;

	if (canon_host(host, size, canonical, &e) == -1)
		return arena_printf(n->source->arena, "%s", e.msg);
	if (strcmp(host, canonical) == 0)
		return NULL;
	if (host[0] == '[')
		return arena_printf(n->source->arena,
		    "is not in its shortest form: write %s", canonical);
	return host[size - 1] == '.' ? "ends in a dot; write hosts without it"
				     : "has capital letters; write hosts in "
				       "lower case";
}

/* Label-bounded: "*." stands for exactly one label, and only in front. */
static const char *
host_defect(struct yaml_node *n, const char *host)
{
	struct net_address address;
	const char *why;

	if (strchr(host + (*host == '*'), '*') != NULL ||
	    (*host == '*' && host[1] != '.'))
		return "has a star elsewhere than as the whole first label";
	if (*host != '*')
		return spelling_defect(n, host);
	if (strchr(host + 2, '.') == NULL)
		return "stands for a whole top-level domain; name one below "
		       "it, as in *.example.com";
	why = spelling_defect(n, host + 2);
	if (why == NULL && canon_host_address(host + 2, &address))
		return "stands for a label, which no address has";
	return why;
}

const char *
form_destination(struct yaml_node *n)
{
	char host[HOST_MAX + 3];

	if (strstr(n->text, "://") != NULL)
		return "is a URL; write the host alone, such as "
		       "api.example.com or api.example.com:8443";
	if (split_port(n->text, host, &n->number) == -1)
		return "is not host or host:port, the port from 1 to 65535";
	return host_defect(n, host);
}

const char *
form_dial(struct yaml_node *n)
{
	char host[HOST_MAX + 3];

	if (split_port(n->text, host, &n->number) == -1 || n->number == 0 ||
	    !(host[0] == '[' ? is_bracketed(host) : is_address(AF_INET, host)))
		return "is not an address and a port, such as 127.0.0.1:18443";
	return NULL;
}

/* All bits after the prefix are zero. */
static int
is_network(const unsigned char *a, unsigned bytes, unsigned prefix)
{
	unsigned i;

	for (i = prefix; i < bytes * 8; i++)
		if ((a[i / 8] & (0x80 >> (i % 8))) != 0)
			return 0;
	return 1;
}

/* What connects to these connects to the IPv4 address. */
static int
is_mapped(const unsigned char a[16])
{
	static const unsigned char prefix[12] = { [10] = 0xff, 0xff };

	return memcmp(a, prefix, sizeof(prefix)) == 0;
}

const char *
form_range(struct yaml_node *n)
{
	char addr[INET6_ADDRSTRLEN];
	unsigned char bits[16];
	const char *slash = strchr(n->text, '/');
	int v6 = strchr(n->text, ':') != NULL;
	uint64_t prefix;
	size_t size;

	size = slash == NULL ? sizeof(addr) : (size_t)(slash - n->text);
	if (size >= sizeof(addr))
		return "is not a range of addresses, such as 10.20.0.0/24";
	memcpy(addr, n->text, size);
	addr[size] = '\0';
	if (!is_address(v6 ? AF_INET6 : AF_INET, addr) ||
	    text_parse_u64(slash + 1, v6 ? 128 : 32, &prefix, NULL) == -1)
		return "is not a range of addresses, such as 10.20.0.0/24";
	(void)inet_pton(v6 ? AF_INET6 : AF_INET, addr, bits);
	if (v6 && is_mapped(bits))
		return "is IPv4 in IPv6: write the IPv4 range";
	if (!is_network(bits, v6 ? 16 : 4, (unsigned)prefix))
		return "has bits set after its prefix";
	n->number = prefix;
	return NULL;
}

/*
 * A percent sign must lead an octet that has no plainer spelling, in upper
 * case: one decoding, one form.  Encoded slashes, backslashes and NUL have
 * no meaning that all servers share.
 */
static const char *
percent_defect(const char *s)
{
	char hex[3] = { 0 };
	unsigned long octet;

	if (s[1] == '\0' || strchr(HEX_UPPER, s[1]) == NULL || s[2] == '\0' ||
	    strchr(HEX_UPPER, s[2]) == NULL)
		return "has a \"%\" that is not followed by two hex digits in "
		       "upper case";
	memcpy(hex, s + 1, 2);
	octet = strtoul(hex, NULL, 16);
	if (octet < 0x20 || octet == 0x7f || octet == '\\')
		return "encodes a backslash or a control character, which is "
		       "never allowed through";
	if (strchr(UNRESERVED, (int)octet) != NULL)
		return "encodes a character that needs no encoding";
	return NULL;
}

/* What every glob shares. */
static const char *
glob_defect(const char *s, const char *set)
{
	const char *why;

	if (strlen(s) > FORM_GLOB_MAX)
		return "is longer than 1024 bytes";
	for (; *s != '\0'; s++) {
		if (strchr(set, *s) == NULL)
			return "has a character that a URL has only encoded "
			       "as %XX";
		if (*s == '%' && (why = percent_defect(s)) != NULL)
			return why;
	}
	return NULL;
}

static const char *
segment_defect(const char *s, size_t n, int last)
{
	if (n == 0 && !last)
		return "has an empty segment";
	if ((n == 1 && s[0] == '.') || (n == 2 && s[0] == '.' && s[1] == '.'))
		return "has a \".\" or \"..\" segment";
	if (n > 2 && memmem(s, n, "**", 2) != NULL)
		return "has \"**\" beside other characters; it stands for "
		       "whole segments";
	return NULL;
}

/* What is left of the rules that requests keep to (canon.h). */
static const char *
canonical_defect(struct yaml_node *n)
{
	char path[CANON_PATH_SIZE];
	struct err e;

	if (canon_path(n->text, strlen(n->text), path, &e) == -1)
		return arena_printf(n->source->arena, "%s", e.msg);
	return strcmp(path, n->text) == 0 ? NULL
					  : "is not in its canonical form";
}

const char *
form_url_path(struct yaml_node *n)
{
	static const char set[] = UNRESERVED "%!$&'()*+,;=:@/";
	const char *s = n->text, *why;
	size_t len;

	if (*s != '/')
		return "does not begin with \"/\"";
	if (strpbrk(s, "?#") != NULL)
		return "has a query or a fragment; the query has its own key";
	if ((why = glob_defect(s, set)) != NULL)
		return why;
	for (s++;; s += len + 1) {
		len = strcspn(s, "/");
		if ((why = segment_defect(s, len, s[len] == '\0')) != NULL)
			return why;
		if (s[len] == '\0')
			return canonical_defect(n);
	}
}

const char *
form_query(struct yaml_node *n)
{
	return strlen(n->text) <= FORM_GLOB_MAX ? NULL
						: "is longer than 1024 bytes";
}

const char *
form_header(struct yaml_node *n)
{
	/* What frames a message or routes it is the proxy's own. */
	static const char *const reserved[] = { "connection",
		"content-encoding", "content-length", "expect", "host",
		"keep-alive", "proxy-authenticate", "proxy-authorization",
		"proxy-connection", "te", "trailer", "transfer-encoding",
		"upgrade", "via", "forwarded", "x-forwarded-for",
		"x-forwarded-host" };
	size_t size = strlen(n->text), i;

	if (size == 0 || size > 64 || !is_all(n->text, LOWER DIGIT "-"))
		return "is not a header's name in lower case, such as "
		       "x-api-key";
	for (i = 0; i < countof(reserved); i++)
		if (strcmp(n->text, reserved[i]) == 0)
			return "is a header that the proxy writes itself";
	return NULL;
}

const char *
form_header_format(struct yaml_node *n)
{
	const char *at = strstr(n->text, "{}");

	if (at == NULL || strstr(at + 2, "{}") != NULL ||
	    strlen(n->text) > 256 || strpbrk(n->text, "\n\t") != NULL)
		return "is not a format: it has {} once, where the secret "
		       "goes, and at most 256 bytes";
	return NULL;
}

const char *
form_user(struct yaml_node *n)
{
	size_t size = strlen(n->text);

	return size > 0 && size <= 256 && strpbrk(n->text, ":\n\t") == NULL
		   ? NULL
		   : "is not a user's name: at most 256 bytes, no colon";
}

const char *
form_vault_entry(struct yaml_node *n)
{
	const char *s = n->text;
	size_t len;

	for (;; s += len + 1) {
		len = strcspn(s, "/");
		if (!is_name(s, len) || strlen(n->text) > 255)
			return "is not a vault entry, such as github/bot";
		if (s[len] == '\0')
			return NULL;
	}
}

const char *
form_test_http(struct yaml_node *n)
{
	const char *s = n->text + strspn(n->text, UPPER);
	size_t method = (size_t)(s - n->text);

	if (method == 0 || method > 16 || strlen(n->text) > 2048 ||
	    (strncmp(s, " https://", 9) != 0 && strncmp(s, " http://", 8) != 0))
		return "is not a method and a URL, such as GET "
		       "https://api.example.com/v1";
	s = strstr(s, "://") + 3;
	return *s != '\0' && strpbrk(s, " \t\n#") == NULL
		   ? NULL
		   : "has a URL without a host, or with a space or a fragment";
}

const char *
form_test_tcp(struct yaml_node *n)
{
	const char *why = form_destination(n);

	if (why != NULL)
		return why;
	return n->number != 0 && n->text[0] != '*'
		   ? NULL
		   : "is not host:port, such as 192.168.1.10:5432";
}
