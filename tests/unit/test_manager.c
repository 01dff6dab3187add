/* manager.c: hosts out of the package managers' own files. */
#include "unit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "policy/manager.h"

static char top[64], system_dir[96], home_dir[96], usr_dir[96];
static char answer[MANAGER_TEXT_MAX];

static int
setup(void **state)
{
	(void)state;
	(void)snprintf(top, sizeof(top), "/tmp/warder-manager-XXXXXX");
	assert_non_null(mkdtemp(top));
	(void)snprintf(system_dir, sizeof(system_dir), "%s/etc", top);
	(void)snprintf(home_dir, sizeof(home_dir), "%s/home", top);
	assert_int_equal(0, mkdir(system_dir, 0700));
	(void)snprintf(usr_dir, sizeof(usr_dir), "%s/usr", top);
	assert_int_equal(0, mkdir(home_dir, 0700));
	assert_int_equal(0, mkdir(usr_dir, 0700));
	return 0;
}

static int
teardown(void **state)
{
	char command[] = "rm", flags[] = "-rf";
	char *argv[] = { command, flags, top, NULL };
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		(void)execvp(argv[0], argv);
		_exit(127);
	}
	return pid > 0 ? 0 : -1;
}

/* Write a file below the temporary directory, with its directories. */
static void
put(const char *path, const char *text, size_t size)
{
	char full[256], *slash;
	int fd;

	(void)snprintf(full, sizeof(full), "%s/%s", top, path);
	for (slash = full + strlen(top) + 1;
	     (slash = strchr(slash, '/')) != NULL; *slash++ = '/') {
		*slash = '\0';
		(void)mkdir(full, 0700);
	}
	fd = open(full, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(size, write(fd, text, size));
	(void)close(fd);
}

static void
put_text(const char *path, const char *text)
{
	put(path, text, strlen(text));
}

static int
ask(const char *name, struct err *e)
{
	const struct manager_dirs dirs = { system_dir, home_dir, usr_dir };
	struct text t;
	char *s;

	text_init(&t, answer, sizeof(answer));
	if (manager_read(name, &dirs, &t, e) == -1)
		return -1;
	/* Without the temporary directory. */
	while ((s = strstr(answer, top)) != NULL)
		memmove(s, s + strlen(top), strlen(s + strlen(top)) + 1);
	return 0;
}

static void
expect(const char *name, const char *want)
{
	struct err e;

	if (ask(name, &e) == -1)
		fail_msg("%s: %s", name, e.msg);
	assert_string_equal(want, answer);
}

/* What each manager brings with it, as its own packages have it. */
static void
put_own_files(void)
{
	put_text("usr/lib/python3/dist-packages/pip/_internal/models/index.py",
	    "class PackageIndex:\n    pass\n\n"
	    "PyPI = PackageIndex(\"https://index.example/\", "
	    "file_storage_domain=\"files.example\")\n"
	    "TestPyPI = PackageIndex(\n    \"https://no.example/\", "
	    "file_storage_domain=\"no.example\"\n)\n");
	put_text("usr/lib/node_modules/npm/node_modules/npm-registry-fetch/lib/"
		 "default-opts.js",
	    "module.exports = {\n  method: 'GET',\n"
	    "  registry: 'https://npm.example/',\n  timeout: 5,\n}\n");
	put_text("usr/local/go/go.env",
	    "# defaults\nGOPROXY=https://mods.example,direct\n"
	    "GOSUMDB=sums.example\nGOTOOLCHAIN=auto\n");
}

static void
manager_read__no_configuration__what_came_with_it(void **state)
{
	(void)state;
	put_own_files();
	expect("pip",
	    "tls index.example:443\t(/usr/lib/python3/dist-packages/pip/"
	    "_internal/models/index.py:4)\n"
	    "tls files.example:443\t(/usr/lib/python3/dist-packages/pip/"
	    "_internal/models/index.py:4)\n");
	expect("npm",
	    "tls npm.example:443\t(/usr/lib/node_modules/npm/node_modules/"
	    "npm-registry-fetch/lib/default-opts.js:3)\n");
	/* Distributions and administrators edit this one. */
	expect("go", "tls mods.example:443\t/usr/local/go/go.env:2\n"
		     "tls sums.example:443\t/usr/local/go/go.env:3\n"
		     "env GOPROXY=https://mods.example\t"
		     "/usr/local/go/go.env:2\n"
		     "env GOSUMDB=sums.example\t/usr/local/go/go.env:3\n");
	assert_false(manager_is("yarn"));
}

static void
manager_read__go_before_1_21__its_own_source(void **state)
{
	(void)state;
	put_text("usr/share/go-1.19/src/cmd/go/internal/cfg/cfg.go",
	    "var (\n\tGOPROXY    = envOr(\"GOPROXY\", "
	    "\"https://mods.example,direct\")\n"
	    "\tGOSUMDB    = envOr(\"GOSUMDB\", \"sums.example\")\n)\n");
	expect("go",
	    "tls mods.example:443\t(/usr/share/go-1.19/src/cmd/go/internal/"
	    "cfg/cfg.go:2)\n"
	    "tls sums.example:443\t(/usr/share/go-1.19/src/cmd/go/internal/"
	    "cfg/cfg.go:3)\n");
	put_text("home/.config/go/env", "GOSUMDB=off\n");
	expect("go",
	    "tls mods.example:443\t(/usr/share/go-1.19/src/cmd/go/internal/"
	    "cfg/cfg.go:2)\n"
	    "env GOSUMDB=off\t/home/.config/go/env:1\n");
}

static void
manager_read__no_file_at_all__what_to_write_where(void **state)
{
	static const struct {
		const char *name, *says;
	} table[] = {
		{ "pip", "\"index-url = URL\"" },
		{ "npm", "\"registry=URL\"" },
		{ "cargo", "\"[source.crates-io]\"" },
		{ "go", "go env -w GOPROXY=URL" },
		{ "apt", "/etc/apt/sources.list" },
	};

	struct err e;
	size_t i;

	(void)state;
	for (i = 0; i < countof(table); i++)
		assert_refused(ask(table[i].name, &e), &e, ERR_INVALID,
		    table[i].says);
	/* Such a file without such a line is none either. */
	put_text("usr/lib/python3/dist-packages/pip/_internal/models/index.py",
	    "PyPI = make_index()\n");
	assert_refused(ask("pip", &e), &e, ERR_INVALID, "index-url");
}

static void
manager_read__environment__does_not_count(void **state)
{
	(void)setenv("PIP_INDEX_URL", "https://evil.example/simple", 1);
	(void)setenv("GOPROXY", "https://evil.example", 1);
	(void)setenv("GOROOT", "/nonexistent", 1);
	(void)setenv("npm_config_registry", "https://evil.example", 1);
	(void)setenv("HOME", "/nonexistent", 1);
	manager_read__no_configuration__what_came_with_it(state);
	(void)unsetenv("PIP_INDEX_URL");
	(void)unsetenv("GOPROXY");
	(void)unsetenv("GOROOT");
	(void)unsetenv("npm_config_registry");
}

static void
manager_read__pip_conf__mirror_in_place_of_the_default(void **state)
{
	(void)state;
	put_text("etc/pip.conf",
	    "[global]\nindex-url = https://old.example/simple\n"
	    "extra-index-url =\n    https://more.example:8443/a\n"
	    "    http://plain.example/b\n");
	expect("pip", "tls old.example:443\t/etc/pip.conf:2\n"
		      "tls more.example:8443\t/etc/pip.conf:4\n"
		      "plain plain.example:80\t/etc/pip.conf:5\n"
		      "env PIP_INDEX_URL=https://old.example/simple\t"
		      "/etc/pip.conf:2\n"
		      "env PIP_EXTRA_INDEX_URL=https://more.example:8443/a "
		      "http://plain.example/b\t/etc/pip.conf:4\n");
	/* The user's file has the last word, and the password stays here. */
	put_text("home/.config/pip/pip.conf",
	    "# mine\n[global]\nindex_url: "
	    "https://me:s3cret@Mirror.example/pypi/simple/\n");
	expect("pip", "tls more.example:8443\t/etc/pip.conf:4\n"
		      "plain plain.example:80\t/etc/pip.conf:5\n"
		      "tls mirror.example:443\t/home/.config/pip/pip.conf:3\n"
		      "env PIP_INDEX_URL=https://Mirror.example/pypi/simple/\t"
		      "/home/.config/pip/pip.conf:3\n"
		      "env PIP_EXTRA_INDEX_URL=https://more.example:8443/a "
		      "http://plain.example/b\t/etc/pip.conf:4\n");
	assert_null(strstr(answer, "s3cret"));
}

static void
manager_read__pip_trusted_host__told_in_the_jail(void **state)
{
	struct err e;

	(void)state;
	put_text("etc/pip.conf",
	    "[global]\nindex-url = http://m.example/simple\n"
	    "trusted-host = m.example\n    n.example:8080\n"
	    "[install]\nfind-links = https://w.example/wheels /srv/wheels\n");
	expect("pip",
	    "plain m.example:80\t/etc/pip.conf:2\n"
	    "tls w.example:443\t/etc/pip.conf:6\n"
	    "env PIP_INDEX_URL=http://m.example/simple\t/etc/pip.conf:2\n"
	    "env PIP_FIND_LINKS=https://w.example/wheels\t/etc/pip.conf:6\n"
	    "env PIP_TRUSTED_HOST=m.example n.example:8080\t"
	    "/etc/pip.conf:4\n");
	put_text("etc/pip.conf", "[global]\ntrusted-host = a@b\n");
	assert_refused(ask("pip", &e), &e, ERR_INVALID, "is not a host");
}

static void
manager_read__pips_own_index_named__its_files_too(void **state)
{
	(void)state;
	put_own_files();
	put_text("etc/pip.conf",
	    "[global]\nindex-url=https://index.example/simple\n");
	expect("pip", "tls index.example:443\t/etc/pip.conf:2\n"
		      "tls files.example:443\t(/usr/lib/python3/dist-packages/"
		      "pip/_internal/models/index.py:4)\n"
		      "env PIP_INDEX_URL=https://index.example/simple\t"
		      "/etc/pip.conf:2\n");
	put_text("etc/pip.conf",
	    "[global]\nindex-url=https://mirror.example/simple\n");
	expect("pip", "tls mirror.example:443\t/etc/pip.conf:2\n"
		      "env PIP_INDEX_URL=https://mirror.example/simple\t"
		      "/etc/pip.conf:2\n");
	put_text("etc/pip.conf", "[global]\nno-index = true\n");
	expect("pip", "");
}

static void
manager_read__npmrc__registry_and_scopes(void **state)
{
	(void)state;
	put_text("etc/npmrc", "registry=https://old.example/\n");
	put_text("home/.npmrc",
	    "; comment\nregistry = \"https://npm.example/r/\"\n"
	    "@acme:registry=https://acme.example:4873/\n"
	    "//npm.example/r/:_authToken=npm_secret\n");
	expect("npm", "tls npm.example:443\t/home/.npmrc:2\n"
		      "tls acme.example:4873\t/home/.npmrc:3\n"
		      "env npm_config_registry=https://npm.example/r/\t"
		      "/home/.npmrc:2\n");
	assert_null(strstr(answer, "npm_secret"));
}

static void
manager_read__go_env__proxies_in_turn(void **state)
{
	struct err e;

	(void)state;
	put_text("home/.config/go/env",
	    "GOPROXY=https://a.example|https://b.example/x,direct\n"
	    "GOSUMDB=off\n");
	expect("go", "tls a.example:443\t/home/.config/go/env:1\n"
		     "tls b.example:443\t/home/.config/go/env:1\n"
		     "env GOPROXY=https://a.example,https://b.example/x\t"
		     "/home/.config/go/env:1\n"
		     "env GOSUMDB=off\t/home/.config/go/env:2\n");
	put_text("home/.config/go/env", "GOPROXY=off\nGOSUMDB=s.example+k\n");
	expect("go", "tls s.example:443\t/home/.config/go/env:2\n"
		     "env GOSUMDB=s.example+k\t/home/.config/go/env:2\n");
	put_text("home/.config/go/env",
	    "GOPROXY=https://a.example\nGOPRIVATE=git.corp.example/*\n"
	    "GOSUMDB=\"name https://s.example:8443/db\"\n");
	expect("go", "tls a.example:443\t/home/.config/go/env:1\n"
		     "tls s.example:8443\t/home/.config/go/env:3\n"
		     "env GOPROXY=https://a.example\t/home/.config/go/env:1\n"
		     "env GOPRIVATE=git.corp.example/*\t"
		     "/home/.config/go/env:2\n"
		     "env GOSUMDB=name https://s.example:8443/db\t"
		     "/home/.config/go/env:3\n");
	put_text("home/.config/go/env",
	    "GOSUMDB=name https://me:s3cret@s.example/\n");
	assert_refused(ask("go", &e), &e, ERR_INVALID, "has a user");
}

static void
manager_read__cargo_config__replacement(void **state)
{
	(void)state;
	put_text("home/.cargo/config.toml",
	    "[source.crates-io]\nreplace-with = \"m\" # ours\n"
	    "[source.m]\nregistry = \"sparse+https://m.example/index/\"\n"
	    "[registries.acme]\nindex = \"https://acme.example/git/index\"\n"
	    "token = \"secret\"\n");
	expect("cargo", "tls m.example:443\t/home/.cargo/config.toml:4\n"
			"tls acme.example:443\t/home/.cargo/config.toml:6\n");
}

/* Where an index keeps its files, only the index says. */
static void
manager_read__cargo_index__what_it_said_of_its_files(void **state)
{
	static const char config[] =
	    "[source.crates-io]\nregistry = \"sparse+https://m.example/i/\"\n";

	(void)state;
	put_text("home/.cargo/config.toml", config);
	put_text("home/.cargo/registry/index/m.example-0123456789abcdef/"
		 "config.json",
	    "{\"dl\": \"https://files.example:8443/{crate}\", "
	    "\"api\": \"https://no.example/\"}");
	put_text("home/.cargo/registry/index/other.example-0123456789abcdef/"
		 "config.json",
	    "{\"dl\": \"https://no.example/\"}");
	put_text("home/.cargo/registry/index/m.example-x/config.json",
	    "{\"dl\": \"https://no.example/\"}");
	expect("cargo", "tls m.example:443\t/home/.cargo/config.toml:2\n"
			"tls files.example:8443\t(/home/.cargo/registry/index/"
			"m.example-0123456789abcdef/config.json:1)\n"
			"file /.cargo/config.toml\t/home/.cargo/config.toml\n");
}

/* Cargo reads no variable for this; the file is shown if it has no more. */
static void
manager_read__cargo_config__shown_unless_private(void **state)
{
	static const struct {
		const char *more;
		int shown;
	} table[] = {
		{ "", 1 },
		{ "# ours\n[net]\nretry = 3\n", 1 },
		{ "[registries.a]\nindex = \"sparse+https://a.example/\"\n",
		    1 },
		{ "token = \"x\"\n", 0 },
		{ "# token = \"x\"\n", 0 },
		{ "[env]\nKEY = \"x\"\n", 0 },
		{ "[http]\nproxy = \"p.example\"\n", 0 },
		{ "[registries.a]\n"
		  "index = \"sparse+https://me:x@a.example/\"\n",
		    0 },
		{ "[registry]\nsecret-key = \"x\"\n", 0 },
		{ "credential-provider = [\"x\"]\n", 0 },
	};

	char text[512];
	struct err e;
	size_t i;

	(void)state;
	for (i = 0; i < countof(table); i++) {
		(void)snprintf(text, sizeof(text),
		    "[source.crates-io]\n"
		    "registry = \"sparse+https://m.example/\"\n%s",
		    table[i].more);
		put_text("home/.cargo/config.toml", text);
		if (ask("cargo", &e) == -1)
			fail_msg("%s: %s", table[i].more, e.msg);
		if ((strstr(answer, "file ") != NULL) != table[i].shown)
			fail_msg("%s: %s", table[i].more, answer);
	}
}

static void
manager_read__apt_sources__both_forms(void **state)
{
	(void)state;
	put_text("etc/apt/sources.list",
	    "# deb http://no.example/ x main\n"
	    "deb [arch=amd64 signed-by=/k] http://a.example/debian x main\n"
	    "deb-src https://b.example/debian x main\n"
	    "deb cdrom:[Debian]/ x main\n");
	put_text("etc/apt/sources.list.d/c.sources",
	    "Types: deb\nURIs: https://c.example/debian\n"
	    "  http://a.example/other\nSuites: x\n");
	put_text("etc/apt/sources.list.d/off.disabled",
	    "deb http://no.example/ x main\n");
	expect("apt", "plain a.example:80\t/etc/apt/sources.list:2\n"
		      "tls b.example:443\t/etc/apt/sources.list:3\n"
		      "tls c.example:443\t/etc/apt/sources.list.d/c.sources:2\n"
		      "file /etc/apt/sources.list.d/c.sources\t"
		      "/etc/apt/sources.list.d/c.sources\n"
		      "file /etc/apt/sources.list\t/etc/apt/sources.list\n");
	/* A password in one of them keeps all of them outside. */
	put_text("etc/apt/sources.list.d/d.list",
	    "deb https://me:s3cret@d.example/debian x main\n");
	expect("apt", "plain a.example:80\t/etc/apt/sources.list:2\n"
		      "tls b.example:443\t/etc/apt/sources.list:3\n"
		      "tls c.example:443\t/etc/apt/sources.list.d/c.sources:2\n"
		      "tls d.example:443\t/etc/apt/sources.list.d/d.list:1\n");
}

/* What cannot be understood closes: no default stands in for it. */
static void
manager_read__hostile_files__error_with_the_place(void **state)
{
	static char big[MANAGER_FILE_MAX + 1];

	static const struct {
		const char *text, *says;
	} table[] = {
		{ "[global]\nindex-url = https://\n", "pip.conf:2: the URL" },
		{ "[global]\nindex-url = https://a b/\n", NULL },
		{ "[global]\nindex-url = https://0x7f.1/\n",
		    "ends in a number" },
		{ "[global]\nindex-url = ftp://a.example/\n",
		    "is no http or https URL" },
		{ "[global]\nindex-url = https://${HOST}/\n",
		    "comes from the environment" },
		{ "[global]\nindex-url = https://a\x01.example/\n",
		    "has a character that URLs have not" },
	};

	char fifo[160];
	struct err e;
	size_t i;

	(void)state;
	for (i = 0; i < countof(table); i++) {
		put_text("etc/pip.conf", table[i].text);
		if (table[i].says != NULL)
			assert_refused(ask("pip", &e), &e, ERR_INVALID,
			    table[i].says);
	}
	put("etc/pip.conf", "[global]\0\nindex-url=https://a.example", 38);
	assert_refused(ask("pip", &e), &e, ERR_INVALID, "has a NUL byte");
	memset(big, '\n', sizeof(big));
	put("etc/pip.conf", big, MANAGER_FILE_MAX);
	assert_refused(ask("pip", &e), &e, ERR_INVALID, "index-url = URL");
	put("etc/pip.conf", big, MANAGER_FILE_MAX + 1);
	assert_refused(ask("pip", &e), &e, ERR_LIMIT, "larger than 64 KiB");
	memset(big, 'a', sizeof(big) - 1);
	put("etc/pip.conf", big, 9000);
	assert_refused(ask("pip", &e), &e, ERR_INVALID, "more than 8192 bytes");
	(void)snprintf(fifo, sizeof(fifo), "%s/pip.conf", system_dir);
	put_text("etc/pip.conf", "[global]\nindex-url=https://a.example\n");
	assert_int_equal(0, chmod(fifo, 0666));
	assert_refused(ask("pip", &e), &e, ERR_DENIED,
	    "others than its owner can write to it");
	assert_int_equal(0, unlink(fifo));
	assert_int_equal(0, mkfifo(fifo, 0600));
	assert_refused(ask("pip", &e), &e, ERR_INVALID, "not a regular file");
}

static void
manager_read__too_many_indexes__limit(void **state)
{
	char text[8192];
	struct text t;
	struct err e;
	int i;

	(void)state;
	text_init(&t, text, sizeof(text));
	for (i = 0; i <= MANAGER_URLS_MAX; i++)
		text_addf(&t, "@s%d:registry=https://h%d.example/\n", i, i);
	put_text("home/.npmrc", text);
	assert_refused(ask("npm", &e), &e, ERR_LIMIT, "more than 64 indexes");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(manager_read__no_configuration__what_came_with_it),
		TEST(manager_read__go_before_1_21__its_own_source),
		TEST(manager_read__no_file_at_all__what_to_write_where),
		TEST(manager_read__environment__does_not_count),
		TEST(manager_read__pip_conf__mirror_in_place_of_the_default),
		TEST(manager_read__pip_trusted_host__told_in_the_jail),
		TEST(manager_read__pips_own_index_named__its_files_too),
		TEST(manager_read__npmrc__registry_and_scopes),
		TEST(manager_read__go_env__proxies_in_turn),
		TEST(manager_read__cargo_config__replacement),
		TEST(manager_read__cargo_index__what_it_said_of_its_files),
		TEST(manager_read__cargo_config__shown_unless_private),
		TEST(manager_read__apt_sources__both_forms),
		TEST(manager_read__hostile_files__error_with_the_place),
		TEST(manager_read__too_many_indexes__limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
