/*
 * agents.c: "warder agents": deploy a directory or an archive, list what is
 * deployed.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client.h"
#include "json.h"

static const struct opt options[] = {
	CLIENT_OPTIONS,
};

static const struct opt_verb verb = {
	"[OPTIONS] [VERB …]",
	"Agents: programs with an agent.yaml, deployed once and run by name.",
	options,
	countof(options),
};

static const struct client_column columns[] = {
	{ "NAME", "name", 24 },
	{ "VERSION", "version", 7 },
	{ "CREATED", "created_at", 24 },
	{ "DIGEST", "digest", 0 },
};

static int
agents_list(struct client *c, int argc, char **argv, struct err *e)
{
	autojson *j = NULL;

	(void)argv;
	if (argc > 0)
		return err_set(e, ERR_INVALID, "agents list takes nothing");
	if (client_ask(c, "GET", "/v1/agents", NULL, &j, e) == -1)
		return -1;
	client_table(c, j, columns, countof(columns));
	return 0;
}

static int
agents_versions(struct client *c, int argc, char **argv, struct err *e)
{
	autojson *j = NULL;
	char path[512];

	if (argc != 1)
		return err_set(e, ERR_INVALID, "agents versions: of which?");
	client_path(path, sizeof(path), "/v1/agents/", argv[0], "/versions");
	if (client_ask(c, "GET", path, NULL, &j, e) == -1)
		return -1;
	client_table(c, j, columns, countof(columns));
	return 0;
}

/*
 * The same bytes for the same files, so that a version has one name: sorted,
 * without times and owners.  tar(1) does it; what it may not pack it says.
 */
static int
pack(const char *dir, int fd, struct err *e)
{
	const char *const words[] = { "tar", "--create", "--format=ustar",
		"--sort=name", "--mtime=@0", "--owner=0", "--group=0",
		"--numeric-owner", "--mode=u=rwX,go=rX", "--exclude-vcs",
		"--exclude=__pycache__", "-C", dir, ".", NULL };
	pid_t pid = fork();
	int status;

	if (pid == -1)
		return err_set(e, ERR_SYSTEM, "fork");
	if (pid == 0) {
		if (dup2(fd, STDOUT_FILENO) != -1)
			(void)execvp(words[0], (char *const *)(uintptr_t)words);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) == -1)
		return err_set(e, ERR_SYSTEM, "waitpid");
	if (status != 0)
		return err_set(e, ERR_INVALID, "%s: tar ended with status %d",
		    dir, WIFEXITED(status) ? WEXITSTATUS(status) : -1);
	return 0;
}

/* A directory is packed; a file is an archive already. */
static int
archive(const char *path, int *ret, struct err *e)
{
	autofd fd = open(path, O_RDONLY | O_CLOEXEC);
	autofd packed = -1;
	struct stat st;

	if (fd == -1 || fstat(fd, &st) == -1)
		return err_set(e, ERR_SYSTEM, "%s", path);
	if (!S_ISDIR(st.st_mode)) {
		*ret = take_fd(&fd);
		return 0;
	}
	/* a mistaken directory may be large */
	if (faccessat(fd, "agent.yaml", R_OK, 0) == -1)
		return err_set(e, ERR_SYSTEM, "%s/agent.yaml", path);
	packed = memfd_create("agent.tar", MFD_CLOEXEC);
	if (packed == -1)
		return err_set(e, ERR_SYSTEM, "memfd_create");
	if (pack(path, packed, e) == -1)
		return -1;
	if (lseek(packed, 0, SEEK_SET) == -1)
		return err_set(e, ERR_SYSTEM, "lseek");
	*ret = take_fd(&packed);
	return 0;
}

static int
agents_deploy(struct client *c, int argc, char **argv, struct err *e)
{
	struct request r = { .method = "POST",
		.path = "/v1/agents",
		.file = -1,
		.file_type = "application/x-tar" };
	autoanswer a = { 0 };
	const char *name;

	if (argc != 1)
		return err_set(e, ERR_INVALID,
		    "agents deploy: one directory or archive is wanted");
	if (archive(argv[0], &r.file, e) == -1 ||
	    request_send(&c->service, &r, &a, e) == -1)
		return -1;
	name = json_string_value(json_object_get(a.json, "name"));
	if (c->json)
		client_value(c, a.json);
	else {
		client_text(stdout, name != NULL ? name : "?");
		printf(" version %lld\n",
		    (long long)json_integer_value(
			json_object_get(a.json, "version")));
	}
	return 0;
}

int
client_agents(struct client *c, int argc, char **argv, struct err *e)
{
	static const struct client_verb verbs[] = {
		{ "list", agents_list, "", "the newest version of each" },
		{ "deploy", agents_deploy, "DIR|TAR", "make it a new version" },
		{ "versions", agents_versions, "NAME", "all of one" },
	};

	return client_verbs(c, &verb, verbs, countof(verbs), argc, argv, e);
}
