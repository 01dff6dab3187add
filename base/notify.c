#include "notify.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base.h"
#include "clock.h"
#include "text.h"

static struct {
	struct sockaddr_un to;
	socklen_t size; /* 0: nobody listens */
	uint64_t every_ms; /* half of what the watchdog waits; 0: none */
	uint64_t next_ms;
} notify;

static void
notify_find_socket(const char *path)
{
	size_t n = path != NULL ? strlen(path) : 0;

	if (n < 2 || n >= sizeof(notify.to.sun_path) ||
	    (path[0] != '/' && path[0] != '@'))
		return;
	notify.to.sun_family = AF_UNIX;
	memcpy(notify.to.sun_path, path, n);
	if (path[0] == '@')
		notify.to.sun_path[0] = '\0';
	notify.size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
}

/* It may be meant for another process, such as the one that started us. */
static void
notify_find_watchdog(const char *usec, const char *pid)
{
	uint64_t us, whom;

	if (usec == NULL || text_parse_u64(usec, UINT64_MAX, &us, NULL) == -1)
		return;
	if (pid != NULL && (text_parse_u64(pid, INT32_MAX, &whom, NULL) == -1 ||
			       (pid_t)whom != getpid()))
		return;
	notify.every_ms = us / 2000;
}

void
notify_init(void)
{
	notify_find_socket(getenv("NOTIFY_SOCKET"));
	notify_find_watchdog(getenv("WATCHDOG_USEC"), getenv("WATCHDOG_PID"));
	(void)unsetenv("NOTIFY_SOCKET");
	(void)unsetenv("WATCHDOG_USEC");
	(void)unsetenv("WATCHDOG_PID");
}

void
notify_say(const char *lines)
{
	autofd fd = -1;

	if (notify.size == 0)
		return;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd != -1)
		(void)!sendto(fd, lines, strlen(lines), MSG_NOSIGNAL,
		    (const struct sockaddr *)&notify.to, notify.size);
}

void
notify_reloading(void)
{
	char text[80];

	(void)snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%llu",
	    (unsigned long long)clock_now_us());
	notify_say(text);
}

void
notify_hand_over(void)
{
	char text[sizeof(notify.to.sun_path) + 1] = "";

	if (notify.size == 0)
		return;
	memcpy(text, notify.to.sun_path,
	    notify.size - offsetof(struct sockaddr_un, sun_path));
	if (text[0] == '\0')
		text[0] = '@';
	(void)setenv("NOTIFY_SOCKET", text, 1);
	if (notify.every_ms == 0)
		return;
	(void)snprintf(text, sizeof(text), "%llu",
	    (unsigned long long)notify.every_ms * 2000);
	(void)setenv("WATCHDOG_USEC", text, 1);
}

int
notify_timeout(uint64_t now_ms)
{
	if (notify.every_ms == 0)
		return -1;
	return notify.next_ms > now_ms ? (int)(notify.next_ms - now_ms) : 0;
}

void
notify_alive(uint64_t now_ms)
{
	if (notify.every_ms == 0 || now_ms < notify.next_ms)
		return;
	notify_say("WATCHDOG=1");
	notify.next_ms = now_ms + notify.every_ms;
}
