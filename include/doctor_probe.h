/*
 * doctor_probe.h: what "warder doctor" and its probe agree on.
 *
 * warder-probe prints a line "NAME WORD" for each row, in this order, and
 * "end 1" behind them.
 */
#ifndef DOCTOR_PROBE_H
#define DOCTOR_PROBE_H

#include <signal.h>

/* clang-format off */
/* An attempt's word: "ok", an error's name, or "signal:N". */
#define DOCTOR_PROBE_ATTEMPTS(X) \
	X(host_file) X(root_of_1) X(ptrace) X(mount) X(mount_api) X(unshare) \
	X(clone) X(setns) X(tiocsti) X(signal) X(sysrq) X(core_pattern) \
	X(packet_socket) X(raw_socket) X(vsock) X(clone3) X(openat2) \
	X(io_uring) X(keyctl) X(setuid_bit) X(write_usr) X(abstract_socket) \
	X(tcp_loopback) X(core_limit)

/* A fact's word has no space. */
#define DOCTOR_PROBE_FACTS(X) \
	X(descriptors) X(dev) X(capabilities) X(no_new_privs) X(seccomp) \
	X(filters) X(landlock_abi) X(landlock_layers) X(ids) X(groups) \
	X(namespaces) X(core_size) X(interfaces) X(workspace)

#define DOCTOR_NAMESPACES \
	"user", "mnt", "pid", "net", "ipc", "uts", "cgroup", "time"

/* clang-format on */

enum doctor_probe_argument {
	PROBE_ARG_SELF, /* argv[0] */
	PROBE_ARG_MODE, /* "inside", "outside" */
	PROBE_ARG_VICTIM, /* whose root is opened: inside pid 1 */
	PROBE_ARG_WITNESS, /* a process of the host's that is signalled */
	PROBE_ARG_FILE, /* a file of the host's */
	PROBE_ARG_NONCE, /* name of an abstract socket of the host's */
	PROBE_ARG_PORT, /* 127.0.0.1, on the host */
	PROBE_ARG__MAX
};

enum {
	PROBE_SIGNAL_INSIDE = SIGUSR1,
	PROBE_SIGNAL_OUTSIDE = SIGUSR2,
};

#endif /* !DOCTOR_PROBE_H */
