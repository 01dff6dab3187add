/*
 * fuzz_config_msg.c: a launcher that talks to a warder-config of any kind.
 *
 *	| type u8 | flags u8 | length u16 | bytes |	again and again
 *
 * Each becomes one message, padded with zeros to the size of its body where
 * PAD is set; FD adds a memfd with a good plan, PLAN patches its sizes in,
 * SPOIL overwrites the plan by the bytes.  The launcher must come back with
 * an error or with a plan that plan_check() accepts; cache entries and file
 * records are read from the same bytes.
 */
#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "ipc.h"
#include "policy/client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	PAD = 1,
	FD = 2,
	PLAN = 4,
	SPOIL = 8
};

static struct plan good, plan;
static struct seccomp_program program;
static struct client_files files;
static char text[CONFIG_TEXT_MAX];
static uint8_t body[IPC_BODY_MAX];

static const size_t sizes[] = {
	[CONFIG_COMPILE] = sizeof(struct config_compile),
	[CONFIG_FILE] = sizeof(struct config_file),
	[CONFIG_NO_FILE] = sizeof(struct config_no_file),
	[CONFIG_OPEN] = sizeof(struct config_open),
	[CONFIG_DONE] = sizeof(struct config_done),
	[CONFIG_FAILED] = sizeof(struct config_failed),
};

/* A plan that is right in every field but the program's. */
static void
make_plan(void)
{
	plan_init(&good);
	good.kind = PLAN_CEILING;
	sha256_buffer("", 0, good.seccomp_digest);
	plan_seal(&good);
	assert(plan_check(&good, plan_size(&good), NULL) == 0);
}

static int
make_memfd(const uint8_t *bytes, size_t n, unsigned flags)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	assert(fd >= 0);
	assert(write(fd, &good, plan_size(&good)) == (ssize_t)plan_size(&good));
	if ((flags & SPOIL) != 0 && n > 2)
		(void)!pwrite(fd, bytes + 2, n - 2, bytes[0] | (bytes[1] << 8));
	return fd;
}

static void
send_one(int socket, unsigned type, unsigned flags, const uint8_t *bytes,
    size_t n)
{
	size_t size = n;
	int fd = -1;

	memset(body, 0, sizeof(body));
	memcpy(body, bytes, n);
	if ((flags & PAD) != 0 && type < CONFIG__MAX)
		size = sizes[type];
	if ((flags & PLAN) != 0) {
		struct config_done d = { .plan_size =
					     (uint32_t)plan_size(&good) };

		memcpy(body, &d, sizeof(d));
	}
	if ((flags & FD) != 0)
		fd = make_memfd(bytes, n, flags);
	(void)!ipc_send(socket, type, body, size, &fd, fd != -1, NULL);
	if (fd != -1)
		(void)close(fd);
}

static void
send_all(int socket, const uint8_t *data, size_t size)
{
	while (size >= 4) {
		size_t n = data[2] | (size_t)data[3] << 8;

		n = n > size - 4 ? size - 4 : n;
		send_one(socket, data[0], data[1], data + 4, n);
		data += 4 + n;
		size -= 4 + n;
	}
}

static void
read_record(const uint8_t *data, size_t size)
{
	struct client_file file;
	uint32_t at = 0, n = 0;

	memset(&files, 0, sizeof(files));
	files.size =
	    size < sizeof(files.bytes) ? (uint32_t)size : sizeof(files.bytes);
	memcpy(files.bytes, data, files.size);
	while (client_files_next(&files, &at, &file) == 1) {
		assert(strlen(file.path) < CONFIG_PATH_MAX);
		assert(at <= files.size && n++ < CLIENT_FILES_SIZE);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct find_dirs dirs = { .etc = "/nonexistent" };
	struct policy_request rq = { .text = "policy: 1\n",
		.size = 10,
		.name = "p.yaml",
		.dir = "/nonexistent",
		.home = "",
		.dirs = &dirs };
	struct err e = { .code = ERR_OK };
	int pair[2], before;

	if (good.magic == 0)
		make_plan();
	before = dup(0);
	assert(ipc_pair(pair, &e) == 0);
	assert(fcntl(pair[1], F_SETFL, O_NONBLOCK) == 0);
	send_all(pair[1], data, size);
	assert(shutdown(pair[1], SHUT_WR) == 0);
	if (client_converse(pair[0], &rq, &plan, &program, &files, text,
		sizeof(text), &e) == 0)
		assert(plan_check(&plan, plan_size(&plan), NULL) == 0);
	else
		assert(e.code != ERR_OK);
	assert(memchr(text, '\0', sizeof(text)) != NULL);
	(void)close(pair[0]);
	(void)close(pair[1]);
	(void)close(before);
	/* No descriptor stayed behind. */
	assert(dup(0) == before);
	(void)close(before);
	read_record(data, size);
	return 0;
}
