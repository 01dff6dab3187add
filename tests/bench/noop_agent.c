/*
 * noop_agent.c: agents that do next to nothing, so that it is the service
 * that is measured: static, without a C library.
 *
 *	noop_agent noop                 answers
 *	noop_agent checkpoints N BYTES  puts N of them, of a list that grows
 *	noop_agent sleep MS             answers later
 *	noop_agent emit MS N            sends the time of day, every MS, N times
 *	noop_agent flood N BYTES        sends N events
 *
 * Control's messages are compact JSON whose second member is the id, which is
 * all that is read of them, besides the list.
 */
#include <linux/time_types.h>

#include "sys.h"

enum {
	AGENT_FD = 3,
	BUFFER_SIZE = 2 << 20, /* a line has at most 1 MiB */
	CLOCK_OF_DAY = 0,
};

struct out {
	char text[BUFFER_SIZE];
	size_t size;
};

static char in[BUFFER_SIZE];
static size_t in_size, in_line; /* what was read; its first line */
static struct out out, list;

_Noreturn void noop_start(long *stack);

__asm__(".globl _start\n"
	"_start:\n"
#if defined(__x86_64__)
	"	mov %rsp, %rdi\n"
	"	and $-16, %rsp\n"
	"	call noop_start\n"
#else
	"	mov x0, sp\n"
	"	bl noop_start\n"
#endif
);

/* ---- text ---- */

static _Noreturn void
die(int status)
{
	for (;;)
		(void)SYS(SYS_exit_group, status);
}

static void
add_bytes(struct out *o, const char *p, size_t n)
{
	size_t i;

	if (n > sizeof(o->text) - o->size)
		die(2);
	for (i = 0; i < n; i++)
		o->text[o->size++] = p[i];
}

static void
add(struct out *o, const char *s)
{
	size_t n = 0;

	while (s[n] != '\0')
		n++;
	add_bytes(o, s, n);
}

static void
add_number(struct out *o, unsigned long n)
{
	char digits[24];
	size_t i = sizeof(digits);

	do
		digits[--i] = (char)('0' + n % 10);
	while ((n /= 10) > 0);
	add_bytes(o, digits + i, sizeof(digits) - i);
}

static unsigned long
number(const char *s)
{
	unsigned long n = 0;

	for (; *s >= '0' && *s <= '9'; s++)
		n = n * 10 + (unsigned long)(*s - '0');
	return n;
}

/* Behind the first such text of the line; NULL: there is none. */
static const char *
find(const char *what)
{
	size_t i, k;

	for (i = 0; i < in_line; i++) {
		for (k = 0; what[k] != '\0' && i + k < in_line; k++)
			if (in[i + k] != what[k])
				break;
		if (what[k] == '\0')
			return in + i + k;
	}
	return NULL;
}

/* ---- lines ---- */

static void
send_line(void)
{
	size_t at = 0;
	long n;

	add(&out, "\n");
	while (at < out.size) {
		n = SYS(SYS_write, AGENT_FD, out.text + at, out.size - at);
		if (n <= 0)
			die(3);
		at += (size_t)n;
	}
	out.size = 0;
}

/* The next line is in "in", without what was there before. */
static void
read_line(void)
{
	size_t i, looked = 0;
	long n;

	for (i = in_line; i < in_size; i++)
		in[i - in_line] = in[i];
	in_size -= in_line;
	for (;;) {
		for (; looked < in_size; looked++)
			if (in[looked] == '\n') {
				in_line = looked + 1;
				return;
			}
		n = SYS(SYS_read, AGENT_FD, in + in_size, sizeof(in) - in_size);
		if (n <= 0)
			die(4);
		in_size += (size_t)n;
	}
}

static unsigned long
read_id(void)
{
	const char *p = find("\"id\":");

	if (p == NULL)
		die(5);
	return number(p);
}

static void
pause_ms(unsigned long ms)
{
	struct __kernel_timespec t = { (long long)(ms / 1000),
		(long long)(ms % 1000) * 1000000 };

	(void)SYS(SYS_nanosleep, &t, 0);
}

/* ---- what it does ---- */

/* The list as the thread has it, without its end. */
static void
list_begin(void)
{
	const char *p = find("\"messages\":["), *end = p;

	list.size = 0;
	add(&list, "[");
	/* it holds nothing but texts of m */
	while (end != NULL && *end != ']')
		end++;
	if (p != NULL)
		add_bytes(&list, p, (size_t)(end - p));
}

static void
list_add(unsigned long bytes)
{
	add(&list, list.size > 1 ? ",\"" : "\"");
	while (bytes-- > 0)
		add(&list, "m");
	add(&list, "\"");
}

static void
do_steps(unsigned long n, unsigned long bytes)
{
	unsigned long i;

	list_begin();
	for (i = 1; i <= n; i++) {
		list_add(bytes);
		add(&out, "{\"jsonrpc\":\"2.0\",\"id\":");
		add_number(&out, i);
		add(&out, ",\"method\":\"checkpoint.put\",\"params\":"
			  "{\"changed\":{\"messages\":");
		add_bytes(&out, list.text, list.size);
		add(&out, "]},\"key\":\"step ");
		add_number(&out, i);
		add(&out, "\"}}");
		send_line();
		read_line();
	}
}

/* The time of day in ns, or a text of so many bytes. */
static void
do_event(unsigned long bytes)
{
	struct __kernel_timespec t = { 0 };

	(void)SYS(SYS_clock_gettime, CLOCK_OF_DAY, &t);
	add(&out, "{\"jsonrpc\":\"2.0\",\"method\":\"event\",\"params\":"
		  "{\"mode\":\"custom\",\"data\":");
	if (bytes == 0)
		add_number(&out,
		    (unsigned long)(t.tv_sec * 1000000000 + t.tv_nsec));
	else {
		add(&out, "\"");
		for (; bytes > 0; bytes--)
			add(&out, "f");
		add(&out, "\"");
	}
	add(&out, "}}");
	send_line();
}

static void
do_sleep(unsigned long ms, unsigned long unused)
{
	(void)unused;
	pause_ms(ms);
}

static void
do_emit(unsigned long ms, unsigned long n)
{
	for (; n > 0; n--) {
		pause_ms(ms);
		do_event(0);
	}
}

static void
do_flood(unsigned long n, unsigned long bytes)
{
	for (; n > 0; n--)
		do_event(bytes);
}

static const struct {
	char first; /* of its name */
	void (*fn)(unsigned long a, unsigned long b);
} works[] = {
	{ 'c', do_steps },
	{ 's', do_sleep },
	{ 'e', do_emit },
	{ 'f', do_flood },
};

static void
work(char first, unsigned long a, unsigned long b)
{
	size_t i;

	for (i = 0; i < sizeof(works) / sizeof(works[0]); i++)
		if (works[i].first == first)
			works[i].fn(a, b);
}

static void
answer(unsigned long id)
{
	add(&out, "{\"jsonrpc\":\"2.0\",\"id\":");
	add_number(&out, id);
	add(&out, ",\"result\":{");
	if (list.size > 0) {
		add(&out, "\"messages\":");
		add_bytes(&out, list.text, list.size);
		add(&out, "]");
	} else
		add(&out, "\"done\":true");
	add(&out, "}}");
	send_line();
}

_Noreturn void
noop_start(long *stack)
{
	char **argv = (char **)(stack + 1);
	unsigned long id;
	long argc = stack[0];

	if (argc < 2)
		die(1);
	read_line();
	id = read_id();
	work(argv[1][0], argc > 2 ? number(argv[2]) : 0,
	    argc > 3 ? number(argv[3]) : 0);
	answer(id);
	die(0);
}
