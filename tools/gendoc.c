/*
 * gendoc.c: writes the documents that are made from tables of the headers.
 *
 *	gendoc limits|errors|refusals|trust > docs/NAME.md
 *
 * Part of the build only; "make docs" runs it and lint compares.
 */
#include <stdio.h>
#include <string.h>

#include "err.h"
#include "http1.h"
#include "jail/trust.h"
#include "limit.h"
#include "msg_vault.h"
#include "policy/refusal.h"
#include "proxy/dns.h"
#include "proxy/vault/entry.h"
#include "proxy/vault/limits_vault.h"
#include "proxy/vault/oauth_answer.h"
#include "supervisor/control/runs/engine.h"
#include "supervisor/control/storage/pack.h"
#include "text.h"

struct limit {
	const char *name;
	uint64_t value;
	const char *unit;
	const char *reason;
	const char *past;
};

static void
gendoc_limit(const struct limit *l)
{
	char buf[64];
	struct text t;

	text_init(&t, buf, sizeof(buf));
	if (strncmp(l->unit, "bytes", 5) == 0 && l->value % 1024 == 0) {
		text_add_size(&t, l->value);
		text_addf(&t, " (%ju)", (uintmax_t)l->value);
	} else if (strcmp(l->unit, "ms") == 0) {
		text_add_duration(&t, l->value);
		text_addf(&t, " (%ju)", (uintmax_t)l->value);
	} else {
		text_addf(&t, "%ju", (uintmax_t)l->value);
	}
	printf("| `%s` | %s | %s | %s | %s |\n", l->name, buf, l->unit,
	    l->reason, l->past);
}

static void
gendoc_limit_group(const char *title, const struct limit *l, size_t n)
{
	size_t i;

	printf("\n## %s\n\n"
	       "| name | value | unit | why | one past it |\n"
	       "|---|---|---|---|---|\n",
	    title);
	for (i = 0; i < n; i++)
		gendoc_limit(&l[i]);
}

#define LIMIT(name, unit, reason, past) { #name, name, unit, reason, past },
#define GROUP(title, table)                                          \
	{                                                            \
		static const struct limit rows[] = { table(LIMIT) }; \
		gendoc_limit_group(title, rows, countof(rows));      \
	}

static void
gendoc_limits(void)
{
	printf(
	    "# Limits\n\nGenerated from `include/limit.h`, `proxy/dns.h` and "
	    "`proxy/vault/limits_vault.h`\nby `make docs`.\n");
	LIMITS_GROUPS(GROUP)
	GROUP("Names in a jail", LIMITS_DNS)
	GROUP("The vault", LIMITS_VAULT)
	GROUP("Storage", LIMITS_STORAGE)
	GROUP("Checkpoints in storage", LIMITS_PACK)
	GROUP("Runs", LIMITS_ENGINE)
}

static void
gendoc_http1_faults(void)
{
	static const struct {
		const char *name;
		const char *text;
		unsigned status;
	} rows[] = {

#define X(name, status, text) { #name, text, status },
		HTTP1_FAULTS(X)
#undef X
	};
	size_t i;

	printf("\n## HTTP/1.1 messages\n\n"
	       "Why the codec refuses one (see [http1.md](http1.md)), and what "
	       "a server answers.\nOne that refuses a response answers its "
	       "own client 502.\n\n"
	       "| fault | means | HTTP |\n"
	       "|---|---|---|\n");
	for (i = 1; i < countof(rows); i++) /* row 0: none */
		printf("| `%s` | %s | %u |\n", rows[i].name, rows[i].text,
		    rows[i].status);
}

static void
gendoc_errors(void)
{
	int i;

	printf(
	    "# Errors\n\nGenerated from `include/err.h` and "
	    "`include/http1.h` by `make docs`.\n"
	    "A message names its place and cause; the code says what kind "
	    "of failure it is.\n\n"
	    "| code | means | HTTP | worth retrying | exit status | JSON-RPC |\n"
	    "|---|---|---|---|---|---|\n");
	for (i = 0; i < ERR__MAX; i++) {
		enum err_code c = (enum err_code)i;

		printf("| `%s` | %s | %d | %s | %d | %d |\n", err_name(c),
		    err_text(c), err_http(c), err_retry(c) ? "yes" : "no",
		    err_exit(c), err_rpc(c));
	}
	gendoc_http1_faults();
}

static void
gendoc_refusals(void)
{
	static const struct {
		const char *name, *text, *help;
		int http;
	} rows[] = {

#define X(name, http, text, help) { #name, text, help, http },
		REFUSAL_CODES(X)
#undef X
	};
	size_t i;

	printf("# Refusals\n\nThe table is generated from `policy/refusal.h` "
	       "by `make docs`.\n\n"
	       "Whatever is not let out of a jail is refused with one of these "
	       "codes, and with one\nrecord, the same for a person, a program "
	       "and a test:\n\n"
	       "```json\n"
	       "{\"code\":\"path\",\"what\":\"POST /repos/acme/hr/issues\","
	       "\"service\":\"github_api\",\n \"passed\":[\"host\","
	       "\"port\",\"method\"],\"failed\":\"path\","
	       "\"nearest\":\"build-bot.yaml:31\",\n \"edit\":\"network."
	       "services.github_api.allow[+]\",\"why\":null,\n \"policy\":"
	       "\"sha256:4be1…\",\"run\":\"…\"}\n```\n\n"
	       "`passed` and `failed` are the dimensions in the order in which "
	       "they were looked\nat, `nearest` is the place of the rule that "
	       "failed last, `edit` the key whose\nchange would help (`null` "
	       "where none would), `why` the reason that the rule\ngives. "
	       "`warder policy why` prints what to write there.\n\n"
	       "| code | HTTP | means | what helps |\n|---|---|---|---|\n");
	for (i = 0; i < countof(rows); i++)
		printf("| `%s` | %d | %s | %s |\n", rows[i].name, rows[i].http,
		    rows[i].text, rows[i].help);
}

/* Which variables, and why: the table of jail/trust.c. */
static void
gendoc_trust(void)
{
	size_t i, n;
	const struct trust_variable *v = trust_variables(&n);

	printf(
	    "# Whom programs in a jail trust\n\n"
	    "Generated from `jail/trust.c` by `make docs`.\n\n"
	    "A service that is inspected is answered by the proxy, with a "
	    "certificate of the\njail's own authority. That authority is "
	    "good for the plan's hosts and until the\nrun's end; "
	    "[ADR 11](adr/0011-tls-libraries.md) says what clients make of "
	    "it. It is added\nto the bundle of the jail's root, as files:\n\n"
	    "| file | for |\n|---|---|\n"
	    "| `/etc/ssl/certs/ca-certificates.crt` | the root's bundle and "
	    "ours; other distributions' names are links to it |\n"
	    "| `/etc/ssl/certs/warder.pem`, `HASH.0` | hashed directories |\n"
	    "| `/etc/ssl/certs/java/cacerts` | Java, where there is one |\n\n"
	    "Programs that bring their own bundle are told by a variable. "
	    "A policy's own\n`process.env` goes first; a program that is to "
	    "trust more than this must be\ngiven a bundle with the jail's "
	    "certificate in it.\n\n"
	    "| variable | value | why |\n|---|---|---|\n");
	for (i = 0; i < n; i++)
		printf("| `%s` | `%s` | %s |\n", v[i].name, v[i].value,
		    v[i].why);
	printf("\nNot reached: programs that pin certificates, and Chrome or "
	       "Firefox, which read\na database of their own. Java takes "
	       "nothing but name and key from an authority:\nfor it the "
	       "authority is not limited to the plan's hosts.\n"
	       "The JDKs of Debian have their configuration in "
	       "`/etc/java-17-openjdk` (by\nversion), which a policy gives "
	       "with `filesystem.read`; without it no JVM of\nDebian's can "
	       "speak TLS.\n");
}

int
main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*write)(void);
	} documents[] = {
		{ "limits", gendoc_limits },
		{ "errors", gendoc_errors },
		{ "refusals", gendoc_refusals },
		{ "trust", gendoc_trust },
	};

	size_t i;

	for (i = 0; argc == 2 && i < countof(documents); i++) {
		if (strcmp(argv[1], documents[i].name) == 0) {
			documents[i].write();
			return fflush(stdout) == 0 ? 0 : 1;
		}
	}
	(void)fprintf(stderr, "usage: gendoc limits|errors|refusals|trust\n");
	return 2;
}
