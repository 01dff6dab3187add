/* manager.c: hosts out of the package managers' own files. */
#include "unit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "policy/manager.h"

static char top[64], system_dir[96], home_dir[96];
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
	assert_int_equal(0, mkdir(home_dir, 0700));
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
	const struct manager_dirs dirs = { system_dir, home_dir };
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

static void
manager_read__no_file__the_documented_default(void **state)
{
	(void)state;
	expect("pip", "tls pypi.org:443\t(pip's default)\n"
		      "tls files.pythonhosted.org:443\t(pip's default)\n");
	expect("npm", "tls registry.npmjs.org:443\t(npm's default)\n");
	expect("cargo", "tls index.crates.io:443\t(cargo's default)\n"
			"tls static.crates.io:443\t(cargo's default)\n");
	expect("go", "tls proxy.golang.org:443\t(go's default)\n"
		     "tls sum.golang.org:443\t(go's default)\n");
	expect("apt", "");
	assert_false(manager_is("yarn"));
}

static void
manager_read__environment__does_not_count(void **state)
{
	(void)state;
	(void)setenv("PIP_INDEX_URL", "https://evil.example/simple", 1);
	(void)setenv("GOPROXY", "https://evil.example", 1);
	(void)setenv("npm_config_registry", "https://evil.example", 1);
	(void)setenv("HOME", "/nonexistent", 1);
	manager_read__no_file__the_documented_default(state);
	(void)unsetenv("PIP_INDEX_URL");
	(void)unsetenv("GOPROXY");
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
manager_read__pip_default_named__its_files_too(void **state)
{
	(void)state;
	put_text("etc/pip.conf",
	    "[global]\nindex-url=https://pypi.org/simple\n");
	expect("pip", "tls pypi.org:443\t/etc/pip.conf:2\n"
		      "tls files.pythonhosted.org:443\t(pip's default)\n"
		      "env PIP_INDEX_URL=https://pypi.org/simple\t"
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
	(void)state;
	put_text("home/.config/go/env",
	    "GOPROXY=https://a.example|https://b.example/x,direct\n"
	    "GOSUMDB=off\n");
	expect("go", "tls a.example:443\t/home/.config/go/env:1\n"
		     "tls b.example:443\t/home/.config/go/env:1\n"
		     "env GOPROXY=https://a.example,https://b.example/x\t"
		     "/home/.config/go/env:1\n");
	put_text("home/.config/go/env", "GOPROXY=off\n");
	expect("go", "tls sum.golang.org:443\t(go's default)\n");
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
	expect("apt",
	    "plain a.example:80\t/etc/apt/sources.list:2\n"
	    "tls b.example:443\t/etc/apt/sources.list:3\n"
	    "tls c.example:443\t/etc/apt/sources.list.d/c.sources:2\n");
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
	assert_int_equal(0, ask("pip", &e));
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
		TEST(manager_read__no_file__the_documented_default),
		TEST(manager_read__environment__does_not_count),
		TEST(manager_read__pip_conf__mirror_in_place_of_the_default),
		TEST(manager_read__pip_trusted_host__told_in_the_jail),
		TEST(manager_read__pip_default_named__its_files_too),
		TEST(manager_read__npmrc__registry_and_scopes),
		TEST(manager_read__go_env__proxies_in_turn),
		TEST(manager_read__cargo_config__replacement),
		TEST(manager_read__apt_sources__both_forms),
		TEST(manager_read__hostile_files__error_with_the_place),
		TEST(manager_read__too_many_indexes__limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
