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
};

/* A later file's value of a role takes the place of an earlier file's. */
enum role {
	ROLE_MAIN,
	ROLE_EXTRA,
	ROLE_LINKS, /* pages with links to packages */
	ROLE_SUMS, /* where checksums come from */
	ROLE__MAX
};

struct url {
	enum role role;
	int plain; /* http */
	unsigned file; /* which file said it, from 1; 0: the default */
	uint32_t port;
	char host[CANON_HOST_SIZE];
	char text[MANAGER_URL_MAX]; /* without user and password */
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
	/* pip: hosts that it asks without TLS, or without verifying it. */
	char trusted[1024];
	char trusted_origin[ORIGIN_MAX];
	unsigned trusted_file;
	unsigned said; /* bit for each role: some file has spoken of it */
	unsigned count;
	struct url urls[MANAGER_URLS_MAX];
};

/* One line without its end; -1 with r->e set. */
typedef int line_fn(struct reader *r, char *line);

struct manager {
	const char *name;
	line_fn *line;
	/* Of the system's directory, then of the home directory. */
	const char *const *system, *const *home;
	/* A directory of the system's whose files count too. */
	const char *directory;

	/* Tells the manager in the jail; several if there is a "between". */
	struct {
		const char *name, *between;
	} env[ROLE__MAX];

	/* The manager's own defaults, used for a role that no file speaks of. */
	const char *main, *sums;
	/* Where the default main index's files are. */
	const char *companion;
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

/* Scheme, host and port; what is behind them is the manager's. */
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
	return 0;
}

/* Add a URL; file 0 is the manager's default. */
static int
add_url(struct reader *r, enum role role, const char *s)
{
	struct url *u = &r->urls[r->count];
	struct err why;

	if (r->count == MANAGER_URLS_MAX)
		return err_set(r->e, ERR_LIMIT, "%s: more than %d indexes",
		    r->path, MANAGER_URLS_MAX);
	if (read_url(u, s, &why) == -1) {
		return err_set(r->e, ERR_INVALID, "%s:%u: the URL %s", r->path,
		    r->line, why.msg);
	}
	u->role = role;
	u->file = r->file;
	if (r->file == 0)
		(void)snprintf(u->origin, sizeof(u->origin), "(%s's default)",
		    r->manager->name);
	else
		(void)snprintf(u->origin, sizeof(u->origin), "%s:%u", r->path,
		    r->line);
	r->count++;
	return 0;
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

static int
go_line(struct reader *r, char *line)
{
	char *s = trim(line), *value, *url;

	if (s[0] == '#' || (value = split_value(s, '=')) == NULL)
		return 0;
	value = unquote(value);
	if (strcmp(s, "GOPROXY") == 0 && *value != '\0')
		return go_proxies(r, value);
	if (strcmp(s, "GOSUMDB") != 0 || *value == '\0')
		return 0;
	/* "off", "name", or "name URL". */
	if (strcmp(value, "off") == 0)
		r->said |= 1u << ROLE_SUMS;
	url = strstr(value, "://") == NULL ? NULL : strrchr(value, ' ');
	return url == NULL ? 0 : say_url(r, ROLE_SUMS, trim(url));
}

/* ---- cargo: the part of TOML that its configuration is written in ------------------- */

static int
cargo_index(struct reader *r, enum role role, char *value)
{
	if (strncmp(value, "sparse+", 7) == 0)
		value += 7;
	return strstr(value, "://") == NULL || strncmp(value, "file:", 5) == 0
		   ? 0
		   : add_url(r, role, value);
}

static int
cargo_line(struct reader *r, char *line)
{
	char *s = trim(line), *value, *end;

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

/* ---- apt: sources.list and deb822 ----------------------------------------------------- */

/* One URI; what is on a disk, or means "ask the mirror file", has no host. */
static int
apt_uri(struct reader *r, const char *uri)
{
	if (strncmp(uri, "http://", 7) != 0 && strncmp(uri, "https://", 8) != 0)
		return 0;
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

/*
 * The defaults are what each manager's own documentation names: pip(1)
 * --index-url; npm config "registry"; The Cargo Book, "Registries"; go help
 * environment, GOPROXY and GOSUMDB.  apt has none.
 */
static const struct manager managers[] = {
	{ "pip", pip_line, FILES("pip.conf", "xdg/pip/pip.conf"),
	    FILES(".pip/pip.conf", ".config/pip/pip.conf"), NULL,
	    { [ROLE_MAIN] = { "PIP_INDEX_URL", NULL },
		[ROLE_EXTRA] = { "PIP_EXTRA_INDEX_URL", " " },
		[ROLE_LINKS] = { "PIP_FIND_LINKS", " " } },
	    "https://pypi.org/simple", NULL,
	    "https://files.pythonhosted.org/" },
	{ "npm", npm_line, FILES("npmrc"), FILES(".npmrc"), NULL,
	    { [ROLE_MAIN] = { "npm_config_registry", NULL } },
	    "https://registry.npmjs.org/", NULL, NULL },
	{ "cargo", cargo_line, FILES("cargo/config.toml"),
	    FILES(".cargo/config", ".cargo/config.toml"), NULL,
	    { { NULL, NULL } }, "https://index.crates.io/", NULL,
	    "https://static.crates.io/" },
	{ "go", go_line, FILES("go/env"), FILES(".config/go/env"), NULL,
	    { [ROLE_MAIN] = { "GOPROXY", "," } }, "https://proxy.golang.org",
	    "https://sum.golang.org", NULL },
	{ "apt", apt_line, FILES("apt/sources.list"), FILES(NULL),
	    "apt/sources.list.d", { { NULL, NULL } }, NULL, NULL, NULL },
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
read_lines(struct reader *r, char *text)
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
		if (r->manager->line(r, text) == -1)
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

static int
read_file(struct reader *r, const char *dir, const char *name)
{
	unfilled char buf[MANAGER_FILE_MAX + 2];
	char path[TEXT_PATH_MAX];
	int rc;

	if (snprintf(path, sizeof(path), "%s/%s", dir, name) >=
	    (int)sizeof(path))
		return err_set(r->e, ERR_LIMIT, "%s: the path is too long",
		    dir);
	r->path = path;
	r->file++;
	rc = load_file(r, buf);
	if (rc == 1)
		rc = read_lines(r, buf);
	r->path = NULL;
	return rc == -1 ? -1 : 0;
}

static int
read_files(struct reader *r, const char *dir, const char *const *names)
{
	for (; *dir != '\0' && *names != NULL; names++)
		if (read_file(r, dir, *names) == -1)
			return -1;
	return 0;
}

static int
is_source(const char *name)
{
	const char *dot = strrchr(name, '.'), *s;

	for (s = name; *s != '\0'; s++)
		if (*s <= ' ' || *s >= 0x7f)
			return 0;
	return name[0] != '.' && dot != NULL && strlen(name) < 128 &&
	       (strcmp(dot, ".list") == 0 || strcmp(dot, ".sources") == 0);
}

static void
closedirp(DIR **d)
{
	if (*d != NULL)
		(void)closedir(*d);
}

/* Order says nothing there, but the answer must not depend on the disk's. */
static int
list_directory(struct reader *r, const char *path,
    char names[MANAGER_FILES_MAX][128], unsigned *ret_count)
{
	cleanup(closedirp) DIR *d = opendir(path);
	struct dirent *entry;
	unsigned n = 0, i;

	*ret_count = 0;
	if (d == NULL)
		return errno == ENOENT || errno == ENOTDIR
			   ? 0
			   : err_set(r->e, ERR_SYSTEM, "%s", path);
	while ((entry = readdir(d)) != NULL) {
		if (!is_source(entry->d_name))
			continue;
		if (n == MANAGER_FILES_MAX)
			return err_set(r->e, ERR_LIMIT,
			    "%s: more than %d files", path, MANAGER_FILES_MAX);
		for (i = n++; i > 0 && strcmp(names[i - 1], entry->d_name) > 0;
		     i--)
			memcpy(names[i], names[i - 1], sizeof(names[i]));
		(void)snprintf(names[i], sizeof(names[i]), "%.127s",
		    entry->d_name);
	}
	*ret_count = n;
	return 0;
}

static int
read_directory(struct reader *r, const char *name)
{
	char names[MANAGER_FILES_MAX][128], path[TEXT_PATH_MAX];
	unsigned count, i;

	if (name == NULL || r->dirs->system[0] == '\0')
		return 0;
	if (snprintf(path, sizeof(path), "%s/%s", r->dirs->system, name) >=
	    (int)sizeof(path))
		return err_set(r->e, ERR_LIMIT, "the path is too long");
	if (list_directory(r, path, names, &count) == -1)
		return -1;
	for (i = 0; i < count; i++)
		if (read_file(r, path, names[i]) == -1)
			return -1;
	return 0;
}

/* ---- the answer --------------------------------------------------------------------------- */

static int
has_host_of(const struct reader *r, const char *url)
{
	struct url u;
	unsigned i;

	if (read_url(&u, url, NULL) == -1)
		return 0;
	for (i = 0; i < r->count; i++)
		if (strcmp(r->urls[i].host, u.host) == 0)
			return 1;
	return 0;
}

static int
add_defaults(struct reader *r)
{
	const struct manager *m = r->manager;

	r->path = m->name;
	r->file = 0;
	if (m->main != NULL && (r->said & 1u << ROLE_MAIN) == 0 &&
	    add_url(r, ROLE_MAIN, m->main) == -1)
		return -1;
	if (m->sums != NULL && (r->said & 1u << ROLE_SUMS) == 0 &&
	    add_url(r, ROLE_SUMS, m->sums) == -1)
		return -1;
	/* Whoever names the default index needs its files too. */
	if (m->main != NULL && m->companion != NULL && has_host_of(r, m->main))
		return add_url(r, ROLE_EXTRA, m->companion);
	return 0;
}

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
write_trusted(const struct reader *r, struct text *t)
{
	if (r->trusted[0] != '\0')
		text_addf(t, "env PIP_TRUSTED_HOST=%s\t%s\n", r->trusted,
		    r->trusted_origin);
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
	write_trusted(r, t);
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
	r.file = r.line = r.said = r.count = 0;
	r.trusted[0] = r.trusted_origin[0] = '\0';
	r.trusted_file = 0;
	if (read_files(&r, dirs->system, r.manager->system) == -1 ||
	    read_directory(&r, r.manager->directory) == -1 ||
	    read_files(&r, dirs->home, r.manager->home) == -1 ||
	    add_defaults(&r) == -1)
		return -1;
	write_answer(&r, ret);
	return ret->truncated ? err_set(e, ERR_LIMIT,
				    "%s: its configuration is too large", name)
			      : 0;
}
