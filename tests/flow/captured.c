/*
 * captured.c: a jail with capture, whose test plays the proxy's part.
 *
 *	captured FD PORTS POLICY COMMAND [ARGUMENT…]
 *
 * Runs COMMAND in a jail under the policy of the file POLICY, on this
 * program's own streams, and exits as "warder exec" would.  PORTS: those that
 * the policy names, "443,5432", or "-".  By the socket FD (or "-") go, once the jail
 * is made and before anything else is done with it: a message for each
 * listener, its kind and the descriptor, then "up PID MODE LESSENED
 * POSTURE".
 *
 * With CAPTURED_TRUST in the environment, "HASH FILE": the jail trusts the
 * certificate in FILE, with files and variables as jail/trust makes them.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "jail/environ.h"
#include "jail/jail.h"
#include "jail/places.h"
#include "jail/posture.h"
#include "jail/run.h"
#include "jail/trust.h"
#include "msg_config.h"
#include "policy/find.h"
#include "policy/load.h"

extern char **environ;

enum {
	TRUST_HASH_END = TRUST_HASH_BYTES + 1
};

struct captured {
	struct places places;
	char init_path[PLACES_PATH_MAX + 16], config_path[PLACES_PATH_MAX + 16];
	char text[CONFIG_FILE_MAX], warnings[CONFIG_TEXT_MAX];
	struct plan plan;
	struct seccomp_program program;
	uint16_t ports[CAPTURE_PORTS_MAX + 1];
	struct capture_request request;
	struct environ env;
	struct trust trust;
	struct jail *jail;
	struct run run;
};

static const char *const captured_kinds[] = {
	[CAPTURE_TCP] = "tcp",
	[CAPTURE_DNS_UDP] = "dns-udp",
	[CAPTURE_DNS_TCP] = "dns-tcp",
	[CAPTURE_PROXY] = "proxy",
};

static int
captured_policy(struct captured *c, const char *path, struct err *e)
{
	struct policy_request rq = {
		.text = c->text,
		.name = path,
		.dir = "/",
		.home = c->places.home,
		.config_path = c->config_path,
		.cache_dir = c->places.cache,
	};
	int fd;

	(void)snprintf(c->init_path, sizeof(c->init_path), "%s/warder-init",
	    c->places.libexec);
	(void)snprintf(c->config_path, sizeof(c->config_path),
	    "%s/warder-config", c->places.libexec);
	if (find_open_file(path, &fd, e) == -1 ||
	    find_read(path, fd, c->text, &rq.size, e) == -1)
		return -1;
	return policy_load(&rq, &c->plan, &c->program, c->warnings,
	    sizeof(c->warnings), e);
}

static void
captured_ports(struct captured *c, const char *text)
{
	char *end;

	c->request.ports = c->ports;
	while (c->request.nports < countof(c->ports) && *text != '\0') {
		long v = strtol(text, &end, 10);

		if (end == text)
			break;
		c->ports[c->request.nports++] = (uint16_t)v;
		text = end + (*end == ',');
	}
}

static int
captured_trust(struct captured *c, char *hash, struct err *e)
{
	static char pem[TRUST_AUTHORITY_MAX];
	struct trust_root root = { .bundle = NULL };
	autofd slash = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	autofd fd = -1;
	int rc;

	if (hash == NULL || strlen(hash) <= TRUST_HASH_END)
		return 0;
	fd = open(hash + TRUST_HASH_END, O_RDONLY | O_CLOEXEC);
	hash[TRUST_HASH_BYTES] = '\0';
	if (fd == -1 || read(fd, pem, sizeof(pem) - 1) <= 0)
		return err_set(e, ERR_SYSTEM, "%s", hash + TRUST_HASH_END);
	if (trust_read(slash, &root, e) == -1)
		return -1;
	rc = trust_make(&root, pem, hash, &c->trust, e);
	trust_root_finish(&root);
	return rc;
}

static int
captured_environ(struct captured *c, struct err *e)
{
	size_t i, n;
	const struct trust_variable *v = trust_variables(&n);
	int r = environ_make(&c->env, &c->plan, environ, e);

	for (i = 0; i < n && c->trust.nfiles > 0 && r == 0; i++)
		if (trust_wants(&c->trust, &v[i]))
			r = environ_add(&c->env, v[i].name, v[i].value, 1, e);
	return r;
}

static int
captured_tell(struct captured *c, int to, struct err *e)
{
	const struct capture_listeners *l = jail_listeners(c->jail);
	struct text t;
	char line[512], value[256];
	uint32_t i;

	for (i = 0; i < l->n && to >= 0; i++) {
		const char *kind = captured_kinds[l->at[i].kind];

		if (ipc_send(to, 0, kind, strlen(kind), &l->at[i].fd, 1, e) ==
		    -1)
			return -1;
	}
	text_init(&t, value, sizeof(value));
	posture_value(POSTURE_network, jail_posture(c->jail), &c->plan, &t);
	(void)snprintf(line, sizeof(line), "up %d %s %d %s",
	    (int)jail_pid(c->jail), capture_name(l->mode),
	    posture_lessened(POSTURE_network, jail_posture(c->jail)), value);
	jail_drop_listeners(c->jail);
	return to < 0 ? 0 : ipc_send(to, 0, line, strlen(line), NULL, 0, e);
}

static int
captured_run(struct captured *c, int to, const char *const *argv, struct err *e)
{
	struct jail_options o = {
		.plan = &c->plan,
		.program = &c->program,
		.init_path = c->init_path,
		.runtime_dir = c->places.runtime,
		.capture = &c->request,
		.trust = &c->trust,
	};
	struct jail_command command = { .id = 1, .argv = argv, .no_stdin = 1 };
	struct run_report report;
	int ours[3] = { -1, -1, -1 };

	if (jail_create(&o, &c->jail, e) == -1 || captured_environ(c, e) == -1)
		return -1;
	command.envp = c->env.vector;
	run_init(&c->run, c->jail, &c->plan, command.id);
	c->run.caller[0] = -1;
	c->run.caller[1] = STDOUT_FILENO;
	c->run.caller[2] = STDERR_FILENO;
	if (jail_launch(c->jail, &command, ours, e) == -1)
		return -1;
	run_connect(&c->run, ours);
	if (captured_tell(c, to, e) == -1 ||
	    run_wait(&c->run, -1, &report, e) == -1)
		return -1;
	run_finish(&c->run);
	return run_exit_status(&report);
}

int
main(int argc, char **argv)
{
	static struct captured c;
	struct err e = { 0 };
	int status = -1, fd;

	if (argc < 5)
		return 125;
	fd = argv[1][0] == '-' ? -1 : (int)strtol(argv[1], NULL, 10);
	(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	captured_ports(&c, argv[2]);
	if (places_find(&c.places, NULL, &e) == 0 &&
	    captured_policy(&c, argv[3], &e) == 0 &&
	    captured_trust(&c, getenv("CAPTURED_TRUST"), &e) == 0)
		status =
		    captured_run(&c, fd, (const char *const *)argv + 4, &e);
	trust_finish(&c.trust);
	if (jail_destroy(c.jail) == -1 && status != -1)
		status = err_set(&e, ERR_CONFLICT, "something is left");
	if (status == -1)
		(void)fprintf(stderr, "captured: %s\n", e.msg);
	return status == -1 ? 125 : status;
}
