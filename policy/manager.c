#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "canon.h"
#include "find.h"
#include "manager.h"

enum {
	ORIGIN_MAX = 320,
	LINE_MAX_ = 8 * 1024, /* bytes of a line that is looked at */
	TOLD_MAX = 1024,
	TOLDS_MAX = 8,
	NAME_MAX_ = 128, /* of a file in a directory that is listed */
};

/* A later file's value of a role takes the place of an earlier file's. */
enum role {
	ROLE_MAIN,
	ROLE_EXTRA,
	ROLE_LINKS, /* pages with links to packages */
	ROLE_SUMS, /* where checksums come from */
	ROLE_FILES, /* where an index's files are */
	ROLE__MAX
};

struct url {
	enum role role;
	int plain; /* http */
	unsigned file; /* which file said it, from 1; 0: no configuration */
	uint32_t port;
	char host[CANON_HOST_SIZE];
	char text[MANAGER_URL_MAX]; /* without user and password */
	char origin[ORIGIN_MAX];
};

struct names {
	unsigned count;
	char name[MANAGER_FILES_MAX][NAME_MAX_];
};

/* A variable that says in the jail what a file says here. */
struct told {
	const char *name;
	char value[TOLD_MAX];
	char origin[ORIGIN_MAX];
};

struct reader {
	const struct manager *manager;
	const struct manager_dirs *dirs;
	struct err *e;
	/* The file that is being read. */
	const char *path;
	unsigned file, line;
	char section[128];
	char key[128]; /* of a value that goes on in the next line */
	int is_private; /* some file says what a jail must not see */
	char own_host[CANON_HOST_SIZE]; /* of the manager's own index */
	/* pip: hosts that it asks without TLS, or without verifying it. */
	char trusted[1024];
	char trusted_origin[ORIGIN_MAX];
	unsigned trusted_file;
	unsigned said; /* bit for each role: some file has spoken of it */
	unsigned ntold;
	struct told told[TOLDS_MAX];
	struct names listed; /* of the manager's directory */
	unsigned count;
	struct url urls[MANAGER_URLS_MAX];
};

/* One line without its end; -1 with r->e set. */
typedef int line_fn(struct reader *r, char *line);

struct manager {
	const char *name;
	line_fn *line;
	/*
	 * Its configuration: below dirs.usr (one "*" each), then of the
	 * system's directory, then of the home directory.
	 */
	const char *const *usr, *const *system, *const *home;
	/* A directory of the system's whose files count too. */
	const char *directory;
	/* Its own program's source below dirs.usr, the first one found. */
	const char *const *own;
	line_fn *own_line;
	/* The directory in the home where it keeps what indexes say. */
	const char *indexes;

	/* Tells the manager in the jail; several if there is a "between". */
	struct {
		const char *name, *between;
	} env[ROLE__MAX];

	/*
	 * Shown in the jail, unless some of it is private; by default at the
	 * same place.  Cargo looks in each directory above the one it is in,
	 * and wants to write beside the one in its home.
	 */
	struct show {
		int in_home;
		const char *path, *inside;
	} show[5];

	/* What to write where, when no file names an index. */
	const char *hint;
};

static int
bad_line(struct reader *r, const char *why)
{
	return err_set(r->e, ERR_INVALID, "%s:%u: %s", r->path, r->line, why);
}

/* ---- URLs ------------------------------------------------------------------ */

static void
drop_role(struct reader *r, enum role role)
{
	unsigned i, kept = 0;

	for (i = 0; i < r->count; i++)
		if (r->urls[i].role != role || r->urls[i].file == r->file)
			r->urls[kept++] = r->urls[i];
	r->count = kept;
}

/*
 * Scheme, host and port; what is behind them is the manager's.  1 if there
 * was a user, 0, -1.
 */
static int
read_url(struct url *u, const char *s, struct err *e)
{
	size_t scheme = strncmp(s, "https://", 8) == 0  ? 8
			: strncmp(s, "http://", 7) == 0 ? 7
							: 0;
	size_t n = strcspn(s + scheme, "/?#"), user = 0, i;

	if (scheme == 0)
		return err_set(e, ERR_INVALID, "is no http or https URL");
	for (i = 0; s[i] != '\0'; i++)
		if (s[i] <= ' ' || s[i] >= 0x7f)
			return err_set(e, ERR_INVALID,
			    "has a character that URLs have not");
	/* A user and a password stay outside; the vault has those. */
	for (i = 0; i < n; i++)
		if (s[scheme + i] == '@')
			user = i + 1;
	u->plain = scheme == 7;
	if (canon_authority(s + scheme + user, n - user, u->plain ? 80 : 443,
		u->host, &u->port, e) == -1)
		return -1;
	if (snprintf(u->text, sizeof(u->text), "%.*s%s", (int)scheme, s,
		s + scheme + user) >= (int)sizeof(u->text))
		return err_set(e, ERR_LIMIT, "is longer than %d bytes",
		    MANAGER_URL_MAX);
	return user > 0;
}

/*
 * Where it stands.  What came with the manager is no statement of this host,
 * so it opens no private addresses: such an origin is no path.
 */
static void
set_origin(const struct reader *r, char ret[ORIGIN_MAX])
{
	(void)snprintf(ret, ORIGIN_MAX, r->file != 0 ? "%.*s:%u" : "(%.*s:%u)",
	    ORIGIN_MAX - 16, r->path, r->line);
}

/* Add a URL of the file that is being read. */
static int
add_url(struct reader *r, enum role role, const char *s)
{
	struct url *u = &r->urls[r->count];
	struct err why;
	int has_user;

	if (r->count == MANAGER_URLS_MAX)
		return err_set(r->e, ERR_LIMIT, "%s: more than %d indexes",
		    r->path, MANAGER_URLS_MAX);
	has_user = read_url(u, s, &why);
	if (has_user == -1)
		return err_set(r->e, ERR_INVALID, "%s:%u: the URL %s", r->path,
		    r->line, why.msg);
	r->is_private |= has_user;
	u->role = role;
	u->file = r->file;
	set_origin(r, u->origin);
	r->count++;
	return 0;
}

static int
is_said(const struct reader *r, enum role role)
{
	return (r->said & 1u << role) != 0;
}

/* What a file says of a role: it replaces what earlier files said. */
static int
say_url(struct reader *r, enum role role, const char *s)
{
	if (strchr(s, '$') != NULL)
		return bad_line(r,
		    "the value comes from the environment, which does not "
		    "count; write it out");
	r->said |= 1u << role;
	drop_role(r, role);
	return add_url(r, role, s);
}

/* ---- lines ------------------------------------------------------------------- */

static char *
trim(char *s)
{
	size_t n;

	s += strspn(s, " \t\r");
	n = strlen(s);
	while (n > 0 && strchr(" \t\r", s[n - 1]) != NULL)
		s[--n] = '\0';
	return s;
}

/* Without its quotes, if it has two of a kind. */
static char *
unquote(char *s)
{
	size_t n = strlen(s);

	if (n >= 2 && (s[0] == '"' || s[0] == '\'') && s[n - 1] == s[0]) {
		s[n - 1] = '\0';
		return s + 1;
	}
	return s;
}

/* "[section]"; 1 if it was one. */
static int
is_section(struct reader *r, char *line)
{
	size_t n;

	if (line[0] != '[')
		return 0;
	n = strcspn(line + 1, "]");
	(void)snprintf(r->section, sizeof(r->section), "%.*s", (int)n,
	    line + 1);
	r->key[0] = '\0';
	return 1;
}

/* "key = value" apart; NULL if there is no such thing. */
static char *
split_value(char *line, char separator)
{
	char *value = strchr(line, separator);

	if (value == NULL)
		return NULL;
	*value = '\0';
	(void)trim(line);
	return trim(value + 1);
}

/* Each word of a value. */
static int
say_words(struct reader *r, enum role role, char *value)
{
	char *save = NULL, *word;

	for (word = strtok_r(value, " \t,", &save); word != NULL;
	     word = strtok_r(NULL, " \t,", &save)) {
		/* A directory of packages is no host. */
		if (strstr(word, "://") == NULL ||
		    strncmp(word, "file:", 5) == 0)
			continue;
		if (say_url(r, role, word) == -1)
			return -1;
	}
	return 0;
}

/* ---- pip: an INI file, values may go on in indented lines ---------------------- */

/* pip in the jail asks an index without TLS only if it is told to. */
static int
pip_trusted(struct reader *r, char *value)
{
	char *save = NULL, *word, host[CANON_HOST_SIZE];
	char before[sizeof(r->trusted)];
	struct text t;
	uint32_t port;

	/* The value may go on in the next line; a later file begins anew. */
	(void)snprintf(before, sizeof(before), "%s",
	    r->trusted_file == r->file ? r->trusted : "");
	text_init(&t, r->trusted, sizeof(r->trusted));
	text_add(&t, before);
	r->trusted_file = r->file;
	(void)snprintf(r->trusted_origin, sizeof(r->trusted_origin), "%s:%u",
	    r->path, r->line);
	for (word = strtok_r(value, " \t,", &save); word != NULL;
	     word = strtok_r(NULL, " \t,", &save)) {
		if (canon_authority(word, strlen(word), 443, host, &port,
			NULL) == -1)
			return bad_line(r, "trusted-host is not a host");
		text_addf(&t, "%s%s", t.len == 0 ? "" : " ", word);
	}
	return t.truncated ? bad_line(r, "too many trusted hosts") : 0;
}

static int
pip_value(struct reader *r, char *value)
{
	static const struct {
		const char *key;
		enum role role;
	} keys[] = {
		{ "index-url", ROLE_MAIN },
		{ "index_url", ROLE_MAIN },
		{ "extra-index-url", ROLE_EXTRA },
		{ "extra_index_url", ROLE_EXTRA },
		{ "find-links", ROLE_LINKS },
		{ "find_links", ROLE_LINKS },
	};

	size_t i;

	/* No index at all: neither the default one. */
	if (strcmp(r->key, "no-index") == 0 && strcmp(value, "false") != 0 &&
	    strcmp(value, "0") != 0 && strcmp(value, "no") != 0)
		r->said |= 1u << ROLE_MAIN;
	if (strcmp(r->key, "trusted-host") == 0 ||
	    strcmp(r->key, "trusted_host") == 0)
		return pip_trusted(r, value);
	for (i = 0; i < countof(keys); i++)
		if (strcmp(r->key, keys[i].key) == 0)
			return say_words(r, keys[i].role, value);
	return 0;
}

static int
pip_line(struct reader *r, char *line)
{
	int goes_on = line[0] == ' ' || line[0] == '\t';
	char *s = trim(line), *value;

	if (s[0] == '#' || s[0] == ';' || s[0] == '\0' || is_section(r, s))
		return 0;
	if (goes_on)
		return r->key[0] == '\0' ? 0 : pip_value(r, s);
	value = strpbrk(s, "=:");
	if (value == NULL)
		return 0;
	value = split_value(s, *value);
	(void)snprintf(r->key, sizeof(r->key), "%s", s);
	return pip_value(r, value);
}

/* What stands in quotes behind "after"; NULL if nothing does. */
static char *
quoted_after(char *line, const char *after)
{
	char *s = strstr(line, after), *end;

	if (s == NULL)
		return NULL;
	s += strlen(after);
	s += strspn(s, " \t");
	if ((*s != '"' && *s != '\'') || (end = strchr(s + 1, *s)) == NULL)
		return NULL;
	*end = '\0';
	return s + 1;
}

static int
pip_own_index(struct reader *r, const char *url)
{
	struct url u;

	if (url == NULL || read_url(&u, url, NULL) == -1)
		return 0;
	(void)snprintf(r->own_host, sizeof(r->own_host), "%s", u.host);
	if (is_said(r, ROLE_MAIN))
		return 0;
	r->said |= 1u << ROLE_MAIN;
	return add_url(r, ROLE_MAIN, url);
}

/* Whoever asks pip's own index, by default or by name, needs its files. */
static int
pip_own_files(struct reader *r, const char *domain)
{
	char url[MANAGER_URL_MAX];
	unsigned i;

	for (i = 0; i < r->count; i++)
		if (strcmp(r->urls[i].host, r->own_host) == 0)
			break;
	if (domain == NULL || r->own_host[0] == '\0' || i == r->count)
		return 0;
	(void)snprintf(url, sizeof(url), "https://%s/", domain);
	return add_url(r, ROLE_FILES, url);
}

/*
 * pip/_internal/models/index.py:
 *	PyPI = PackageIndex("URL", file_storage_domain="HOST")
 * The second string is found first: the first one's end is cut off there.
 */
static int
pip_own_line(struct reader *r, char *line)
{
	char *domain;

	if (strncmp(line, "PyPI = ", 7) != 0)
		return 0;
	domain = quoted_after(line, "file_storage_domain=");
	if (pip_own_index(r, quoted_after(line, "PackageIndex(")) == -1)
		return -1;
	return pip_own_files(r, domain);
}

/* ---- npm: key=value -------------------------------------------------------------- */

static int
npm_line(struct reader *r, char *line)
{
	char *s = trim(line), *value, *colon;

	if (s[0] == '#' || s[0] == ';' || (value = split_value(s, '=')) == NULL)
		return 0;
	value = unquote(value);
	if (strcmp(s, "registry") == 0)
		return say_url(r, ROLE_MAIN, value);
	colon = strrchr(s, ':');
	/* "@scope:registry"; those of all files together. */
	if (s[0] == '@' && colon != NULL && strcmp(colon, ":registry") == 0)
		return strchr(value, '$') == NULL
			   ? add_url(r, ROLE_EXTRA, value)
			   : bad_line(r,
				 "the value comes from the environment, "
				 "which does not count; write it out");
	return 0;
}

/* npm-registry-fetch/lib/default-opts.js: "registry: 'URL'," */
static int
npm_own_line(struct reader *r, char *line)
{
	char *s = trim(line), *url;

	if (is_said(r, ROLE_MAIN) || strncmp(s, "registry:", 9) != 0 ||
	    (url = quoted_after(s, "registry:")) == NULL)
		return 0;
	r->said |= 1u << ROLE_MAIN;
	return add_url(r, ROLE_MAIN, url);
}

/* ---- go: its environment file ------------------------------------------------------ */

static int
go_proxies(struct reader *r, char *value)
{
	char *save = NULL, *word;

	r->said |= 1u << ROLE_MAIN;
	drop_role(r, ROLE_MAIN);
	for (word = strtok_r(value, ",|", &save); word != NULL;
	     word = strtok_r(NULL, ",|", &save))
		if (strcmp(word, "direct") != 0 && strcmp(word, "off") != 0 &&
		    strncmp(word, "file:", 5) != 0 &&
		    say_url(r, ROLE_MAIN, trim(word)) == -1)
			return -1;
	return 0;
}

/*
 * "off", "name", "name+key" or "name URL": without a URL the name is the
 * database's host (go help environment).
 */
static int
go_sums(struct reader *r, char *value)
{
	char url[MANAGER_URL_MAX], *given = strstr(value, "://");

	r->said |= 1u << ROLE_SUMS;
	drop_role(r, ROLE_SUMS);
	if (strcmp(value, "off") == 0)
		return 0;
	if (given != NULL && (given = strrchr(value, ' ')) != NULL)
		return add_url(r, ROLE_SUMS, trim(given));
	(void)snprintf(url, sizeof(url), "https://%.*s/",
	    (int)strcspn(value, "+ "), value);
	return add_url(r, ROLE_SUMS, url);
}

/* Say it in the jail as it stands here; a later file's word replaces it. */
static int
tell(struct reader *r, const char *name, const char *value)
{
	struct told *t;
	const char *s;
	unsigned i;

	for (s = value; *s != '\0'; s++)
		if (*s < ' ' || *s >= 0x7f || *s == '@' || *s == '$')
			return bad_line(r, "the value has a user, a variable "
					   "or a control character");
	for (i = 0; i < r->ntold; i++)
		if (strcmp(r->told[i].name, name) == 0)
			break;
	t = &r->told[i];
	if (i == TOLDS_MAX || snprintf(t->value, sizeof(t->value), "%s",
				  value) >= (int)sizeof(t->value))
		return bad_line(r, "the value is too long");
	t->name = name;
	set_origin(r, t->origin);
	r->ntold = i == r->ntold ? i + 1 : r->ntold;
	return 0;
}

static int
go_line(struct reader *r, char *line)
{
	/* Which modules are asked for elsewhere, or without a checksum. */
	static const char *const as_is[] = { "GOSUMDB", "GOPRIVATE",
		"GONOPROXY", "GONOSUMDB", "GOINSECURE" };
	char *s = trim(line), *value;
	size_t i;

	if (s[0] == '#' || (value = split_value(s, '=')) == NULL)
		return 0;
	value = unquote(value);
	if (*value == '\0')
		return 0;
	if (strcmp(s, "GOPROXY") == 0)
		return go_proxies(r, value);
	for (i = 0; i < countof(as_is); i++)
		if (strcmp(s, as_is[i]) == 0 && tell(r, as_is[i], value) == -1)
			return -1;
	return strcmp(s, "GOSUMDB") == 0 ? go_sums(r, value) : 0;
}

/* cmd/go/internal/cfg/cfg.go, before Go 1.21: envOr("GOPROXY", "…") */
static int
go_own_line(struct reader *r, char *line)
{
	char *value;

	value = quoted_after(line, "envOr(\"GOPROXY\",");
	if (value != NULL && !is_said(r, ROLE_MAIN))
		return go_proxies(r, value);
	value = quoted_after(line, "envOr(\"GOSUMDB\",");
	return value != NULL && !is_said(r, ROLE_SUMS) ? go_sums(r, value) : 0;
}

/* ---- cargo: the part of TOML that its configuration is written in ------------------- */

static int
cargo_index(struct reader *r, enum role role, char *value)
{
	if (strncmp(value, "sparse+", 7) == 0)
		value += 7;
	r->said |= 1u << ROLE_MAIN;
	return strstr(value, "://") == NULL || strncmp(value, "file:", 5) == 0
		   ? 0
		   : add_url(r, role, value);
}

/*
 * Shown in the jail is a file that says where indexes are and nothing else:
 * tokens stand among the rest.
 */
static int
cargo_is_harmless(const struct reader *r, const char *line)
{
	static const char *const never[] = { "token", "secret", "password",
		"@" };
	static const char *const sections[] = { "source.", "registries.",
		"registry", "net" };
	static const char *const keys[] = { "replace-with", "registry", "index",
		"protocol", "default", "directory", "local-registry", "retry",
		"offline" };
	const char *const *list = line[0] == '[' ? sections : keys;
	size_t n = line[0] == '[' ? countof(sections) : countof(keys), i, size;

	for (i = 0; i < countof(never); i++)
		if (strcasestr(line, never[i]) != NULL)
			return 0;
	if (line[0] == '#' || line[0] == '\0')
		return 1;
	line += line[0] == '[';
	for (i = 0; i < n; i++) {
		size = strlen(list[i]);
		if (strncmp(line, list[i], size) == 0 &&
		    (list[i][size - 1] == '.' ||
			strchr("] \t=", line[size]) != NULL))
			return r->section[0] != '\0' || list == sections;
	}
	return 0;
}

static int
cargo_line(struct reader *r, char *line)
{
	char *s = trim(line), *value, *end;

	r->is_private |= !cargo_is_harmless(r, s);
	if (s[0] == '#' || s[0] == '\0' || is_section(r, s) ||
	    (value = split_value(s, '=')) == NULL)
		return 0;
	/* A comment behind the string. */
	if (value[0] == '"' && (end = strchr(value + 1, '"')) != NULL)
		end[1] = '\0';
	if (value[0] == '{')
		return strstr(value, "://") == NULL
			   ? 0
			   : bad_line(r, "an inline table with a URL; write it "
					 "as a section");
	value = unquote(value);
	if (strcmp(s, "replace-with") == 0 &&
	    strcmp(r->section, "source.crates-io") == 0)
		r->said |= 1u << ROLE_MAIN;
	if (strcmp(s, "registry") == 0 &&
	    strncmp(r->section, "source.", 7) == 0)
		return cargo_index(r, ROLE_MAIN, value);
	if (strcmp(s, "index") == 0 &&
	    strncmp(r->section, "registries.", 11) == 0)
		return cargo_index(r, ROLE_EXTRA, value);
	return 0;
}

/* What an index said of itself when cargo asked it: "dl" is its files' URL. */
static int
cargo_index_line(struct reader *r, char *line)
{
	char *s = strstr(line, "\"dl\""), *url;

	if (s == NULL)
		return 0;
	s += 4 + strspn(s + 4, " \t");
	url = quoted_after(s, ":");
	return url == NULL ? 0 : add_url(r, ROLE_FILES, url);
}

/* ---- apt: sources.list and deb822 ----------------------------------------------------- */

/* One URI; what is on a disk, or means "ask the mirror file", has no host. */
static int
apt_uri(struct reader *r, const char *uri)
{
	if (strncmp(uri, "http://", 7) != 0 && strncmp(uri, "https://", 8) != 0)
		return 0;
	r->said |= 1u << ROLE_MAIN;
	return add_url(r, ROLE_MAIN, uri);
}

static int
apt_uris(struct reader *r, char *value)
{
	char *save = NULL, *word;

	for (word = strtok_r(value, " \t", &save); word != NULL;
	     word = strtok_r(NULL, " \t", &save))
		if (apt_uri(r, word) == -1)
			return -1;
	return 0;
}

/* "deb [options] URI suite component …" */
static int
apt_one_line(struct reader *r, char *s)
{
	char *end;

	s += strncmp(s, "deb-src", 7) == 0 ? 7 : 3;
	s += strspn(s, " \t");
	if (*s == '[') {
		if ((end = strchr(s, ']')) == NULL)
			return bad_line(r, "a \"[\" without \"]\"");
		s = end + 1 + strspn(end + 1, " \t");
	}
	s[strcspn(s, " \t")] = '\0';
	return apt_uri(r, s);
}

static int
apt_line(struct reader *r, char *line)
{
	int goes_on = line[0] == ' ' || line[0] == '\t';
	char *s = trim(line), *value;

	/* A line that is switched off may still hold a password. */
	r->is_private |= strstr(s, "://") != NULL && strchr(s, '@') != NULL;
	if (s[0] == '#' || s[0] == '\0') {
		r->key[0] = '\0';
		return 0;
	}
	if (strncmp(s, "deb ", 4) == 0 || strncmp(s, "deb\t", 4) == 0 ||
	    strncmp(s, "deb-src ", 8) == 0)
		return apt_one_line(r, s);
	if (goes_on)
		return strcasecmp(r->key, "URIs") == 0 ? apt_uris(r, s) : 0;
	if ((value = split_value(s, ':')) == NULL)
		return 0;
	(void)snprintf(r->key, sizeof(r->key), "%s", s);
	return strcasecmp(s, "URIs") == 0 ? apt_uris(r, value) : 0;
}

/* ---- the managers --------------------------------------------------------------------- */

#define FILES(...)                \
	(const char *const[])     \
	{                         \
		__VA_ARGS__, NULL \
	}

#define PIP_OWN "/pip/_internal/models/index.py"
#define NPM_OWN "npm-registry-fetch/lib/default-opts.js"

/*
 * Where each manager looks: pip(1) "Configuration"; npmrc(5); The Cargo Book,
 * "Configuration", which names no file of the system's; go help environment
 * and GOROOT/go.env; sources.list(5).  No host stands here.  "own" is where
 * distributions and upstream's archives put the program's own files.
 */
static const struct manager managers[] = {
	{ .name = "pip",
	    .line = pip_line,
	    .system = FILES("pip.conf", "xdg/pip/pip.conf"),
	    .home = FILES(".pip/pip.conf", ".config/pip/pip.conf"),
	    .own = FILES("local/lib/python3*/site-packages" PIP_OWN,
		"local/lib/python3*/dist-packages" PIP_OWN,
		"lib/python3*/dist-packages" PIP_OWN,
		"lib/python3*/site-packages" PIP_OWN),
	    .own_line = pip_own_line,
	    .env = { [ROLE_MAIN] = { "PIP_INDEX_URL", NULL },
		[ROLE_EXTRA] = { "PIP_EXTRA_INDEX_URL", " " },
		[ROLE_LINKS] = { "PIP_FIND_LINKS", " " } },
	    .hint = "write \"index-url = URL\" below \"[global]\" in "
		    "/etc/pip.conf" },
	{ .name = "npm",
	    .line = npm_line,
	    .usr = FILES("etc/npmrc", "local/etc/npmrc"),
	    .system = FILES("npmrc"),
	    .home = FILES(".npmrc"),
	    .own = FILES("local/lib/node_modules*/npm/node_modules/" NPM_OWN,
		"lib/node_modules*/npm/node_modules/" NPM_OWN,
		"share/nodejs/npm/node_modules/" NPM_OWN),
	    .own_line = npm_own_line,
	    .env = { [ROLE_MAIN] = { "npm_config_registry", NULL } },
	    .hint = "write \"registry=URL\" in /etc/npmrc or ~/.npmrc" },
	{ .name = "cargo",
	    .line = cargo_line,
	    .home = FILES(".cargo/config", ".cargo/config.toml"),
	    .indexes = ".cargo/registry/index",
	    .show = { { 1, ".cargo/config.toml", "/.cargo/config.toml" } },
	    .hint = "cargo's default is compiled into it; write "
		    "\"registry = \"sparse+URL\"\" below "
		    "\"[source.crates-io]\" in ~/.cargo/config.toml" },
	{ .name = "go",
	    .line = go_line,
	    .usr = FILES("lib/go*/go.env", "local/go/go.env"),
	    .home = FILES(".config/go/env"),
	    .own = FILES("share/go*/src/cmd/go/internal/cfg/cfg.go",
		"lib/go*/src/cmd/go/internal/cfg/cfg.go",
		"local/go/src/cmd/go/internal/cfg/cfg.go"),
	    .own_line = go_own_line,
	    .env = { [ROLE_MAIN] = { "GOPROXY", "," } },
	    .hint = "say \"go env -w GOPROXY=URL\"" },
	{ .name = "apt",
	    .line = apt_line,
	    .system = FILES("apt/sources.list"),
	    .directory = "apt/sources.list.d",
	    .show = { { 0, "apt/sources.list", NULL },
		{ 0, "apt/trusted.gpg.d", NULL }, { 0, "apt/keyrings", NULL } },
	    .hint = "name an archive with http or https in "
		    "/etc/apt/sources.list" },
};

static const struct manager *
find_manager(const char *name)
{
	size_t i;

	for (i = 0; i < countof(managers); i++)
		if (strcmp(managers[i].name, name) == 0)
			return &managers[i];
	return NULL;
}

int
manager_is(const char *name)
{
	return find_manager(name) != NULL;
}

/* ---- files ------------------------------------------------------------------------------ */

static int
read_lines(struct reader *r, char *text, line_fn *line)
{
	char *next;

	r->line = 0;
	r->section[0] = r->key[0] = '\0';
	for (; text != NULL; text = next) {
		next = strchr(text, '\n');
		if (next != NULL)
			*next++ = '\0';
		r->line++;
		if (strlen(text) > LINE_MAX_)
			return bad_line(r, "a line of more than 8192 bytes");
		if (line(r, text) == -1)
			return -1;
	}
	return 0;
}

/* The whole file in buf, ended; 1, 0 if there is none, -1. */
static int
load_file(struct reader *r, char buf[MANAGER_FILE_MAX + 2])
{
	autofd fd = -1;
	size_t size = 0;
	ssize_t n;

	/* As a policy: a file that others can write to says nothing. */
	if (find_open_file(r->path, &fd, r->e) == -1)
		return r->e->code == ERR_NOT_FOUND ? 0 : -1;
	while (size <= MANAGER_FILE_MAX) {
		n = read(fd, buf + size, MANAGER_FILE_MAX + 1 - size);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return err_set(r->e, ERR_SYSTEM, "%s", r->path);
		if (n == 0)
			break;
		size += (size_t)n;
	}
	if (size > MANAGER_FILE_MAX)
		return err_set(r->e, ERR_LIMIT, "%s: larger than 64 KiB",
		    r->path);
	if (memchr(buf, '\0', size) != NULL)
		return err_set(r->e, ERR_INVALID, "%s: has a NUL byte",
		    r->path);
	buf[size] = '\0';
	return 1;
}

/* Each line by a reader of lines; 1, 0 if there is no such file, -1. */
static int
read_path(struct reader *r, const char *path, line_fn *line)
{
	unfilled char buf[MANAGER_FILE_MAX + 2];
	int rc;

	r->path = path;
	rc = load_file(r, buf);
	if (rc == 1 && read_lines(r, buf, line) == -1)
		rc = -1;
	r->path = NULL;
	return rc;
}

static int
join(const struct reader *r, char ret[TEXT_PATH_MAX], const char *dir,
    const char *name)
{
	if (snprintf(ret, TEXT_PATH_MAX, "%s/%s", dir, name) >= TEXT_PATH_MAX)
		return err_set(r->e, ERR_LIMIT, "%s: the path is too long",
		    dir);
	return 0;
}

static int
read_file(struct reader *r, const char *dir, const char *name)
{
	char path[TEXT_PATH_MAX];

	if (join(r, path, dir, name) == -1)
		return -1;
	r->file++;
	return read_path(r, path, r->manager->line) == -1 ? -1 : 0;
}

static int
read_files(struct reader *r, const char *dir, const char *const *names)
{
	for (; names != NULL && *dir != '\0' && *names != NULL; names++)
		if (read_file(r, dir, *names) == -1)
			return -1;
	return 0;
}

/* ---- directories ------------------------------------------------------------------------ */

/* Of what is listed: names of plain characters that this finds wanted. */
typedef int want_fn(const char *name, const char *of);

static int
is_source(const char *name, const char *of)
{
	const char *dot = strrchr(name, '.');

	(void)of;
	return dot != NULL &&
	       (strcmp(dot, ".list") == 0 || strcmp(dot, ".sources") == 0);
}

static int
begins_with(const char *name, const char *prefix)
{
	return strncmp(name, prefix, strlen(prefix)) == 0;
}

static int
is_plain_name(const char *name)
{
	const char *s;

	for (s = name; *s != '\0'; s++)
		if (*s <= ' ' || *s >= 0x7f)
			return 0;
	return name[0] != '.' && strlen(name) < NAME_MAX_;
}

static void
closedirp(DIR **d)
{
	if (*d != NULL)
		(void)closedir(*d);
}

/* Order says nothing there, but the answer must not depend on the disk's. */
static void
insert_name(struct names *n, const char *name)
{
	unsigned i;

	for (i = n->count++; i > 0 && strcmp(n->name[i - 1], name) > 0; i--)
		memcpy(n->name[i], n->name[i - 1], sizeof(n->name[i]));
	(void)snprintf(n->name[i], sizeof(n->name[i]), "%.127s", name);
}

static int
list_directory(struct reader *r, const char *path, want_fn *want,
    const char *of, struct names *ret)
{
	cleanup(closedirp) DIR *d = opendir(path);
	struct dirent *entry;

	ret->count = 0;
	if (d == NULL)
		return errno == ENOENT || errno == ENOTDIR
			   ? 0
			   : err_set(r->e, ERR_SYSTEM, "%s", path);
	while ((entry = readdir(d)) != NULL) {
		if (!is_plain_name(entry->d_name) || !want(entry->d_name, of))
			continue;
		if (ret->count == MANAGER_FILES_MAX)
			return err_set(r->e, ERR_LIMIT,
			    "%s: more than %d files", path, MANAGER_FILES_MAX);
		insert_name(ret, entry->d_name);
	}
	return 0;
}

static int
read_directory(struct reader *r, const char *name)
{
	char path[TEXT_PATH_MAX];
	unsigned i;

	if (name == NULL || r->dirs->system[0] == '\0')
		return 0;
	if (join(r, path, r->dirs->system, name) == -1 ||
	    list_directory(r, path, is_source, NULL, &r->listed) == -1)
		return -1;
	for (i = 0; i < r->listed.count; i++)
		if (read_file(r, path, r->listed.name[i]) == -1)
			return -1;
	return 0;
}

/* One pattern below dirs->usr, "a/b*" or "a/b*" and "/c": 1 found, 0, -1. */
static int
read_pattern(struct reader *r, const char *pattern, line_fn *line)
{
	char dir[TEXT_PATH_MAX], path[TEXT_PATH_MAX], *prefix;
	const char *star = strchr(pattern, '*');
	struct names names;
	unsigned i;
	int rc = 0;

	if (join(r, dir, r->dirs->usr, pattern) == -1)
		return -1;
	if (star == NULL)
		return read_path(r, dir, line);
	*strchr(dir, '*') = '\0';
	prefix = strrchr(dir, '/');
	*prefix++ = '\0';
	if (list_directory(r, dir, begins_with, prefix, &names) == -1)
		return -1;
	for (i = 0; i < names.count && rc == 0; i++) {
		if (snprintf(path, sizeof(path), "%s/%s%s", dir, names.name[i],
			star + 1) >= (int)sizeof(path))
			return err_set(r->e, ERR_LIMIT, "%s: too long", dir);
		rc = read_path(r, path, line);
	}
	return rc;
}

/* Configuration that lies beside the programs. */
static int
read_usr(struct reader *r)
{
	const char *const *p = r->manager->usr;

	for (; p != NULL && r->dirs->usr[0] != '\0' && *p != NULL; p++) {
		r->file++;
		if (read_pattern(r, *p, r->manager->line) == -1)
			return -1;
	}
	return 0;
}

/* What the manager's own program does where no file says anything. */
static int
read_own(struct reader *r)
{
	const char *const *p = r->manager->own;
	int rc = 0;

	r->file = 0;
	for (; p != NULL && r->dirs->usr[0] != '\0' && *p != NULL && rc == 0;
	     p++)
		rc = read_pattern(r, *p, r->manager->own_line);
	return rc == -1 ? -1 : 0;
}

/* "HOST-0123456789abcdef" */
static int
is_index_of(const char *name, const char *host)
{
	size_t n = strlen(host);

	return strncmp(name, host, n) == 0 && name[n] == '-' &&
	       strspn(name + n + 1, "0123456789abcdef") == 16 &&
	       name[n + 17] == '\0';
}

/* Where the indexes that are named keep their files, as far as known here. */
static int
read_indexes(struct reader *r)
{
	char dir[TEXT_PATH_MAX], path[TEXT_PATH_MAX];
	unsigned i, k, count = r->count;
	struct names names;

	if (r->manager->indexes == NULL || r->dirs->home[0] == '\0')
		return 0;
	if (join(r, dir, r->dirs->home, r->manager->indexes) == -1)
		return -1;
	for (i = 0; i < count; i++) {
		if (list_directory(r, dir, is_index_of, r->urls[i].host,
			&names) == -1)
			return -1;
		for (k = 0; k < names.count; k++) {
			if (snprintf(path, sizeof(path), "%s/%s/config.json",
				dir, names.name[k]) >= (int)sizeof(path))
				return err_set(r->e, ERR_LIMIT, "%s: too long",
				    dir);
			if (read_path(r, path, cargo_index_line) == -1)
				return -1;
		}
	}
	return 0;
}

/* ---- the answer --------------------------------------------------------------------------- */

static int
is_repeated(const struct reader *r, unsigned i)
{
	unsigned k;

	for (k = 0; k < i; k++)
		if (strcmp(r->urls[k].host, r->urls[i].host) == 0 &&
		    r->urls[k].port == r->urls[i].port)
			return 1;
	return 0;
}

/* What the files say of one role, as the variable that says it again. */
static void
write_env(const struct reader *r, enum role role, struct text *t)
{
	const char *name = r->manager->env[role].name;
	const char *between = r->manager->env[role].between, *origin = NULL;
	unsigned i;

	for (i = 0; name != NULL && i < r->count; i++) {
		const struct url *u = &r->urls[i];

		if (u->role != role || u->file == 0)
			continue;
		if (origin != NULL && between == NULL)
			break;
		if (origin == NULL)
			text_addf(t, "env %s=%s", name, u->text);
		else
			text_addf(t, "%s%s", between, u->text);
		origin = origin == NULL ? u->origin : origin;
	}
	if (origin != NULL)
		text_addf(t, "\t%s\n", origin);
}

static void
write_told(const struct reader *r, struct text *t)
{
	unsigned i;

	for (i = 0; i < r->ntold; i++)
		text_addf(t, "env %s=%s\t%s\n", r->told[i].name,
		    r->told[i].value, r->told[i].origin);
	if (r->trusted[0] != '\0')
		text_addf(t, "env PIP_TRUSTED_HOST=%s\t%s\n", r->trusted,
		    r->trusted_origin);
}

/* Another reader writes these into a policy: no character that needs care. */
static int
is_plain_path(const char *s)
{
	return s[strspn(s, "abcdefghijklmnopqrstuvwxyz"
			   "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-")] == '\0';
}

/* Those that were read, not what else lies beside them. */
static void
write_listed(const struct reader *r, struct text *t)
{
	char dir[TEXT_PATH_MAX], path[TEXT_PATH_MAX];
	unsigned i;

	if (r->is_private || r->listed.count == 0 ||
	    join(r, dir, r->dirs->system, r->manager->directory) == -1)
		return;
	for (i = 0; i < r->listed.count; i++)
		if (join(r, path, dir, r->listed.name[i]) == 0 &&
		    is_plain_path(path))
			text_addf(t, "file %s\t%s\n", path, path);
}

/* Files that tell the manager in the jail, where it reads no variable. */
static void
write_shown(const struct reader *r, struct text *t)
{
	const struct show *show = r->manager->show;
	char path[TEXT_PATH_MAX];
	const char *dir;

	write_listed(r, t);
	for (; show->path != NULL && !r->is_private; show++) {
		dir = show->in_home ? r->dirs->home : r->dirs->system;
		if (*dir != '\0' && join(r, path, dir, show->path) == 0 &&
		    is_plain_path(path) && access(path, F_OK) == 0)
			text_addf(t, "file %s\t%s\n",
			    show->inside == NULL ? path : show->inside, path);
	}
}

static void
write_answer(const struct reader *r, struct text *t)
{
	unsigned i;

	for (i = 0; i < r->count; i++)
		if (!is_repeated(r, i))
			text_addf(t, "%s %s:%u\t%s\n",
			    r->urls[i].plain ? "plain" : "tls", r->urls[i].host,
			    r->urls[i].port, r->urls[i].origin);
	for (i = 0; i < ROLE__MAX; i++)
		write_env(r, (enum role)i, t);
	write_told(r, t);
	write_shown(r, t);
}

static int
read_all(struct reader *r)
{
	const struct manager *m = r->manager;

	if (read_usr(r) == -1 ||
	    read_files(r, r->dirs->system, m->system) == -1 ||
	    read_directory(r, m->directory) == -1 ||
	    read_files(r, r->dirs->home, m->home) == -1 || read_own(r) == -1)
		return -1;
	r->file = 0;
	if (read_indexes(r) == -1)
		return -1;
	if (is_said(r, ROLE_MAIN))
		return 0;
	return err_set(r->e, ERR_INVALID,
	    "no file of this host names an index of %s; %s", m->name, m->hint);
}

int
manager_read(const char *name, const struct manager_dirs *dirs,
    struct text *ret, struct err *e)
{
	unfilled struct reader r;

	r.manager = find_manager(name);
	if (r.manager == NULL)
		return err_set(e, ERR_INVALID,
		    "no package manager is called "
		    "\"%s\"",
		    name);
	r.dirs = dirs;
	r.e = e;
	r.file = r.line = r.said = r.count = r.ntold = 0;
	r.is_private = 0;
	r.listed.count = 0;
	r.trusted[0] = r.trusted_origin[0] = r.own_host[0] = '\0';
	r.trusted_file = 0;
	if (read_all(&r) == -1)
		return -1;
	write_answer(&r, ret);
	return ret->truncated ? err_set(e, ERR_LIMIT,
				    "%s: its configuration is too large", name)
			      : 0;
}
