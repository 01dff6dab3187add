#include <string.h>

#include "bounds.h"
#include "plan_net.h"
#include "refusal.h"
#include "rules.h"
#include "schema.h"

/* Patterns for editors; the loader's forms are the judges. */
#define NAME_RE "[A-Za-z0-9][A-Za-z0-9._-]{0,63}"
#define PATH_RE "/([^/\\u0000-\\u001f]+(/[^/\\u0000-\\u001f]+)*)?"
#define NO_DOTS_RE "(?!.*/\\.{1,2}(/|$))"
#define PORT_RE                                                    \
	"(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|" \
	"[1-5][0-9]{4}|[1-9][0-9]{0,3})"
#define LABEL_RE "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
#define OCTET_RE "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
#define V4_RE OCTET_RE "(\\." OCTET_RE "){3}"
#define HOST_RE                                                               \
	"((\\*\\.)?(" LABEL_RE "\\.)*(?!0x)[a-z0-9-]*[a-z-][a-z0-9-]*|" V4_RE \
	"|\\[[0-9a-f:.]+\\])"

#define WORDS(...)                   \
	(const struct schema_word[]) \
	{                            \
		__VA_ARGS__,         \
		{                    \
			NULL, 0      \
		}                    \
	}
#define NOW(word)                  \
	{                          \
		word, SCHEMA_BUILD \
	}
#define LATER(word)                \
	{                          \
		word, SCHEMA_LATER \
	}
#define NAMES(...)                \
	(const char *const[])     \
	{                         \
		__VA_ARGS__, NULL \
	}

/* Rows of a key table. */
#define KEY(name, type, flags, merge, initial, doc)                   \
	{                                                             \
		name, &type, flags, merge, SCHEMA_BUILD, initial, doc \
	}
#define LATER_KEY(name, doc)                                        \
	{                                                           \
		name, &any, 0, SCHEMA_SELF, SCHEMA_LATER, NULL, doc \
	}
#define END                                               \
	{                                                 \
		NULL, NULL, 0, SCHEMA_SELF, 0, NULL, NULL \
	}

#define STRING(form_, pattern_, wants_)                                     \
	{                                                                   \
		.shape = SCHEMA_STRING, .form = form_, .pattern = pattern_, \
		.wants = wants_                                             \
	}
#define LIST_OF(item_, wants_)                                        \
	{                                                             \
		.shape = SCHEMA_LIST, .item = &item_, .wants = wants_ \
	}

enum {
	REQUIRED = SCHEMA_REQUIRED,
	GRANT = SCHEMA_GRANT_ONLY
};

/* clang-format off */

static const struct schema_type any = { .shape = SCHEMA_ANY };
static const struct schema_type boolean = { .shape = SCHEMA_BOOL,
	.wants = "true or false" };

/* ---- words and strings ------------------------------------------------ */

static const struct schema_type name = STRING(form_name, "^" NAME_RE "$",
	"a name");
static const struct schema_type prose = { .shape = SCHEMA_TEXT,
	.form = form_text, .pattern = "^[\\s\\S]{1,1024}$", .wants = "a text" };
static const struct schema_type reference = STRING(form_reference,
	"^(\\./)?(\\.\\./)*" NAME_RE "(/" NAME_RE ")*$",
	"a reference such as org/name or ./file.yaml");
static const struct schema_type env_name = STRING(form_env_name,
	"^[A-Za-z_][A-Za-z0-9_]{0,254}$", "a variable's name");
static const struct schema_type env_value = { .shape = SCHEMA_STRING,
	.form = form_env_value, .pattern = "^[^\\u0000-\\u001f]{0,8192}$",
	.numbers = 1, .wants = "a string" };
static const struct schema_type jail_path = STRING(form_jail_path,
	"^" NO_DOTS_RE PATH_RE "$", "an absolute path in the jail");
static const struct schema_type host_path = STRING(form_host_path,
	"^(?!~[^/])[^\\u0000-\\u001f]+$", "a path of the host");
static const struct schema_type protect_path = STRING(form_protect,
	"^" NO_DOTS_RE "/([^/*?[\\u0000-\\u001f]+(/[^/*?[\\u0000-\\u001f]+)*)?"
	"(/\\*\\*)?$", "an absolute path in the jail, or dir/**");
static const struct schema_type syscall_name = STRING(form_syscall,
	"^[a-z0-9_]{1,64}$", "the name of a system call");
static const struct schema_type destination = STRING(form_destination,
	"^" HOST_RE "(:" PORT_RE ")?$", "host or host:port");
static const struct schema_type range = STRING(form_range,
	"^(" V4_RE "/(3[0-2]|[12]?[0-9])|[0-9a-f:.]*:[0-9a-f:.]*/"
	"(12[0-8]|1[01][0-9]|[1-9]?[0-9]))$",
	"a range of addresses such as 10.20.0.0/24");
static const struct schema_type dial_address = STRING(form_dial,
	"^(" V4_RE "|\\[[0-9a-f:.]+\\]):" PORT_RE "$",
	"an address and a port such as 127.0.0.1:18443");
static const struct schema_type url_path = STRING(form_url_path,
	"^(?!.*/\\.{1,2}(/|$))(?!.*//)"
	"/([A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-F]{2})*$",
	"a path pattern such as /v1/**");
static const struct schema_type query_value = { .shape = SCHEMA_STRING,
	.form = form_query, .pattern = "^[^\\u0000-\\u001f]{0,1024}$",
	.numbers = 1, .wants = "a pattern in quotes" };
static const struct schema_type header = STRING(form_header,
	"^[a-z0-9-]{1,64}$", "a header's name in lower case");
static const struct schema_type header_format = STRING(form_header_format,
	"^[^{}]*\\{\\}[^{}]*$", "a format with {}");
static const struct schema_type user = STRING(form_user,
	"^[^:\\u0000-\\u001f]{1,256}$", "a user's name");
static const struct schema_type vault_entry = STRING(form_vault_entry,
	"^" NAME_RE "(/" NAME_RE ")*$", "a vault entry such as github/bot");
static const struct schema_type test_http = STRING(form_test_http,
	"^[A-Z]{1,16} https?://[^\\s#]+$", "a method and a URL");
static const struct schema_type test_tcp = STRING(form_test_tcp,
	"^" HOST_RE ":" PORT_RE "$", "host:port");

/* ---- numbers ------------------------------------------------------------ */

static const struct schema_type version = { .shape = SCHEMA_INT, .min = 1,
	.max = 1, .wants = "1, the only version there is" };
static const struct schema_type cpu = { .shape = SCHEMA_CPU,
	.min = BOUND_CPU_MIN, .max = BOUND_CPU_MAX,
	.wants = "a number of processors such as 2 or 0.5, from 0.01 to 1024, "
		"at most three decimals" };
static const struct schema_type memory = { .shape = SCHEMA_SIZE,
	.min = BOUND_MEMORY_MIN, .max = BOUND_MEMORY_MAX,
	.wants = "a size such as 512MiB, from 4MiB to 64TiB" };
static const struct schema_type pids = { .shape = SCHEMA_INT,
	.min = BOUND_PIDS_MIN, .max = BOUND_PIDS_MAX,
	.wants = "a number from 1 to 4194304" };
static const struct schema_type open_files = { .shape = SCHEMA_INT,
	.min = BOUND_FILES_MIN, .max = BOUND_FILES_MAX,
	.wants = "a number from 16 to 1048576" };
static const struct schema_type duration = { .shape = SCHEMA_TIME,
	.min = BOUND_TIME_MIN, .max = BOUND_TIME_MAX, .none = 1,
	.wants = "a time such as 500ms, 10s, 10m, 2h or 1d (at most 366d), or "
		"none" };
static const struct schema_type output = { .shape = SCHEMA_SIZE,
	.min = BOUND_OUTPUT_MIN, .max = BOUND_OUTPUT_MAX, .none = 1,
	.wants = "a size such as 16MiB, or none" };
static const struct schema_type mount_size = { .shape = SCHEMA_SIZE,
	.min = BOUND_MOUNT_MIN, .max = BOUND_MOUNT_MAX,
	.wants = "a size such as 1GiB, from 64KiB to 64TiB" };
static const struct schema_type body_size = { .shape = SCHEMA_SIZE,
	.min = 0, .max = BOUND_BODY_MAX,
	.wants = "a size such as 20MiB" };
static const struct schema_type landlock = { .shape = SCHEMA_INT,
	.min = 1, .max = BOUND_LANDLOCK_MAX,
	.wants = "the least ABI, a number from 1 to 64" };

/* ---- process ------------------------------------------------------------ */

static const struct schema_type env = { .shape = SCHEMA_DICT,
	.form = form_env_name, .pattern = "^[A-Za-z_][A-Za-z0-9_]{0,254}$",
	.item = &env_value, .wants = "variables and their values" };
static const struct schema_type env_pass = LIST_OF(env_name,
	"a list of variables' names");

static const struct schema_type process = { .check = rules_process, .shape = SCHEMA_MAP,
	.wants = "a mapping", .keys = (const struct schema_key[]){
	KEY("env", env, GRANT, SCHEMA_BY_KEY, NULL,
	    "Variables set in the jail."),
	KEY("env_pass", env_pass, 0, SCHEMA_UNITE, NULL,
	    "Variables passed from the caller, if it has them; nothing else "
	    "of its environment enters."),
	KEY("cwd", jail_path, GRANT, SCHEMA_NEAREST, NULL,
	    "Working directory; without it /workspace if that is mounted, "
	    "else /."),
	LATER_KEY("nested", "User namespaces inside the jail."),
	LATER_KEY("user", "Name of the user inside."),
	LATER_KEY("hostname", "Host name inside."),
	LATER_KEY("timezone", "Time zone inside."),
	END } };

/* ---- filesystem --------------------------------------------------------- */

static const struct schema_type rootfs_word = { .shape = SCHEMA_WORD,
	.words = WORDS(NOW("host")), .wants = "host" };
static const struct schema_type rootfs_map = { .check = rules_rootfs, .shape = SCHEMA_MAP,
	.wants = "{dir: PATH}", .keys = (const struct schema_key[]){
	KEY("dir", host_path, REQUIRED, SCHEMA_NEAREST, NULL,
	    "A prepared root directory of the host, never written to."),
	KEY("size", mount_size, 0, SCHEMA_LEAST, "1GiB",
	    "How much may change in the overlay over it."),
	LATER_KEY("image", "An image by name."),
	END } };
static const struct schema_type rootfs = { .shape = SCHEMA_UNION,
	.scalar = &rootfs_word, .map = &rootfs_map,
	.wants = "host or {dir: PATH}" };

static const struct schema_type read_mount = { .check = rules_read, .shape = SCHEMA_MAP,
	.wants = "{from: HOST PATH, path: JAIL PATH}",
	.keys = (const struct schema_key[]){
	KEY("from", host_path, REQUIRED, SCHEMA_NEAREST, NULL,
	    "File or directory of the host: ~ is the home directory, what is "
	    "relative begins at this file's directory."),
	KEY("path", jail_path, 0, SCHEMA_NEAREST, NULL,
	    "Where the jail sees it; without it the same place under /mnt."),
	END } };
static const struct schema_type write_mount = { .check = rules_write, .shape = SCHEMA_MAP,
	.wants = "{from: HOST PATH, path: JAIL PATH} or {path: JAIL PATH, "
		"size: SIZE}",
	.at_least_one = NAMES("from", "path"), .apart = NAMES("from", "size"),
	.keys = (const struct schema_key[]){
	KEY("from", host_path, 0, SCHEMA_NEAREST, NULL,
	    "Directory of the host; without it a new one, empty, sized and "
	    "thrown away."),
	KEY("path", jail_path, 0, SCHEMA_NEAREST, NULL,
	    "Where the jail sees it."),
	KEY("size", mount_size, 0, SCHEMA_LEAST, "1GiB",
	    "Size of a new directory."),
	END } };
static const struct schema_type tmpfs_mount = { .check = rules_tmpfs, .shape = SCHEMA_MAP,
	.wants = "{path: JAIL PATH, size: SIZE}",
	.keys = (const struct schema_key[]){
	KEY("path", jail_path, REQUIRED, SCHEMA_NEAREST, NULL,
	    "Where it is mounted."),
	KEY("size", mount_size, 0, SCHEMA_LEAST, "256MiB", "Its size."),
	END } };
static const struct schema_type reads = LIST_OF(read_mount,
	"a list of {from: HOST PATH, path: JAIL PATH}");
static const struct schema_type writes = LIST_OF(write_mount,
	"a list of {from: HOST PATH, path: JAIL PATH} and {path: JAIL PATH, "
	"size: SIZE}");
static const struct schema_type tmpfses = LIST_OF(tmpfs_mount,
	"a list of {path: JAIL PATH, size: SIZE}");
static const struct schema_type protects = LIST_OF(protect_path,
	"a list of paths");

static const struct schema_type filesystem = { .check = rules_filesystem, .shape = SCHEMA_MAP,
	.wants = "a mapping", .keys = (const struct schema_key[]){
	KEY("rootfs", rootfs, 0, SCHEMA_ROOTFS, "host",
	    "The read-only base: host is the host's /usr and a little of its "
	    "/etc."),
	KEY("read", reads, 0, SCHEMA_MOUNTS, NULL,
	    "Files and directories of the host, read-only."),
	KEY("write", writes, 0, SCHEMA_MOUNTS, NULL,
	    "Directories that may be written, of the host or new ones."),
	KEY("tmpfs", tmpfses, 0, SCHEMA_MOUNTS, NULL,
	    "New directories whose contents are never kept; /tmp is there "
	    "anyway with 256MiB."),
	KEY("protect", protects, 0, SCHEMA_DENY, NULL,
	    "Paths in writable directories that stay as they are, existing or "
	    "not; dir/** is the whole of dir."),
	END } };

/* ---- seccomp, limits, requires ------------------------------------------ */

/* The strictest first: a ceiling cuts to the least index. */
static const struct schema_type profile = { .shape = SCHEMA_WORD,
	.words = WORDS(NOW("strict"), NOW("build"), NOW("debug")),
	.wants = "strict, build or debug" };
static const struct schema_type syscalls = LIST_OF(syscall_name,
	"a list of system calls");

static const struct schema_type seccomp = { .check = rules_seccomp, .shape = SCHEMA_MAP,
	.wants = "a mapping", .keys = (const struct schema_key[]){
	KEY("profile", profile, 0, SCHEMA_LEAST, "strict",
	    "strict runs interpreters, compilers, shells and git; build adds "
	    "what sanitizers need, debug adds ptrace."),
	KEY("deny", syscalls, 0, SCHEMA_DENY, NULL,
	    "System calls taken out of the profile."),
	KEY("allow", syscalls, 0, SCHEMA_UNITE, NULL,
	    "System calls added, only those that the profile marks optional."),
	END } };

static const struct schema_type limits = { .shape = SCHEMA_MAP,
	.wants = "a mapping", .keys = (const struct schema_key[]){
	KEY("cpu", cpu, 0, SCHEMA_LEAST, "1", "Processors, 0.5 is half a one."),
	KEY("memory", memory, 0, SCHEMA_LEAST, "1GiB",
	    "Memory of all processes together, swap and small tmpfs included."),
	KEY("pids", pids, 0, SCHEMA_LEAST, "256", "Processes and threads."),
	KEY("open_files", open_files, 0, SCHEMA_LEAST, "1024",
	    "Open files of each process."),
	KEY("wall", duration, 0, SCHEMA_LEAST, "10m",
	    "Time from start to end by the clock."),
	KEY("idle", duration, 0, SCHEMA_LEAST, "none",
	    "Time with neither input nor output."),
	KEY("cpu_time", duration, 0, SCHEMA_LEAST, "none",
	    "Processor time used by all processes together."),
	KEY("output", output, 0, SCHEMA_LEAST, "16MiB",
	    "Bytes of stdout and stderr together."),
	END } };

static const struct schema_type cgroup = { .shape = SCHEMA_WORD,
	.words = WORDS(NOW("memory"), NOW("pids"), NOW("cpu"), NOW("io")),
	.wants = "memory, pids, cpu or io" };
static const struct schema_type cgroups = LIST_OF(cgroup,
	"a list of memory, pids, cpu and io");

static const struct schema_type requires_ = { .shape = SCHEMA_MAP,
	.wants = "a mapping", .keys = (const struct schema_key[]){
	KEY("landlock", landlock, 0, SCHEMA_MOST, NULL,
	    "The least Landlock ABI."),
	KEY("cgroups", cgroups, 0, SCHEMA_DENY, NULL,
	    "Resource controllers that must be there."),
	END } };

/* ---- network ------------------------------------------------------------ */

static const struct schema_type methods_word = { .shape = SCHEMA_WORD,
	.words = WORDS(NOW("read")), .wants = "read or a list of methods" };
static const struct schema_type method = { .shape = SCHEMA_WORD,
	.words = (const struct schema_word[]){
#define X(name_) NOW(#name_),
	PLAN_NET_METHODS(X)
#undef X
	{ NULL, 0 } },
	.wants = "a method in capitals such as GET" };
static const struct schema_type method_list = { .shape = SCHEMA_LIST,
	.item = &method, .min = 1, .wants = "a list of methods" };
static const struct schema_type methods = { .shape = SCHEMA_UNION,
	.scalar = &methods_word, .list = &method_list,
	.wants = "read or a list of methods" };
static const struct schema_type query = { .shape = SCHEMA_DICT,
	.form = form_query, .pattern = "^[^\\u0000-\\u001f]{1,1024}$",
	.item = &query_value, .wants = "parameters and their patterns" };

static const struct schema_type rule = { .shape = SCHEMA_MAP,
	.wants = "a rule such as {methods: read, path: /v1/**}",
	.at_least_one = NAMES("methods", "path", "query"),
	.keys = (const struct schema_key[]){
	KEY("methods", methods, 0, SCHEMA_NEAREST, NULL,
	    "read is GET, HEAD and OPTIONS; without the key any method."),
	KEY("path", url_path, 0, SCHEMA_NEAREST, NULL,
	    "* stays within a segment, ** goes across; without the key any "
	    "path."),
	KEY("query", query, 0, SCHEMA_NEAREST, NULL,
	    "Parameters that must be there, each with a pattern; others are "
	    "free."),
	KEY("why", prose, 0, SCHEMA_NEAREST, NULL,
	    "Shown to whoever is refused."),
	END } };
static const struct schema_type rules = LIST_OF(rule, "a list of rules");
static const struct schema_type reviewers = { .shape = SCHEMA_LIST,
	.item = &name, .min = 1, .wants = "a list of names" };
static const struct schema_type ask_rule = { .shape = SCHEMA_MAP,
	.wants = "a rule such as {methods: [POST], path: /v1/orders}",
	.at_least_one = NAMES("methods", "path", "query"),
	.keys = (const struct schema_key[]){
	KEY("methods", methods, 0, SCHEMA_NEAREST, NULL,
	    "As in allow."),
	KEY("path", url_path, 0, SCHEMA_NEAREST, NULL, "As in allow."),
	KEY("query", query, 0, SCHEMA_NEAREST, NULL, "As in allow."),
	KEY("reviewers", reviewers, 0, SCHEMA_NEAREST, NULL,
	    "Who may approve."),
	KEY("wait", duration, 0, SCHEMA_NEAREST, NULL,
	    "How long the request waits for them."),
	KEY("why", prose, 0, SCHEMA_NEAREST, NULL,
	    "Shown to them, and to whoever is refused."),
	END } };
static const struct schema_type asks = LIST_OF(ask_rule,
	"a list of rules");
static const struct schema_type allow_list = { .shape = SCHEMA_LIST,
	.item = &rule, .min = 1, .wants = "a list of rules" };
static const struct schema_type allow_word = { .shape = SCHEMA_WORD,
	.words = WORDS(NOW("any")), .wants = "any or a list of rules" };
static const struct schema_type allow = { .shape = SCHEMA_UNION,
	.scalar = &allow_word, .list = &allow_list,
	.wants = "any or a list of rules" };
static const struct schema_type destinations = { .shape = SCHEMA_LIST,
	.item = &destination, .min = 1, .wants = "a list of hosts" };
static const struct schema_type manager_word = { .shape = SCHEMA_WORD,
	.words = WORDS(NOW("pip"), NOW("npm"), NOW("cargo"), NOW("go"),
	    NOW("apt")),
	.wants = "pip, npm, cargo, go or apt" };
static const struct schema_type manager_map = { .shape = SCHEMA_MAP,
	.wants = "{manager: NAME}", .keys = (const struct schema_key[]){
	KEY("manager", manager_word, REQUIRED, SCHEMA_NEAREST, NULL,
	    "The hosts that this package manager's own configuration files on "
	    "the host name, or where they name none its own files in /usr."),
	END } };
static const struct schema_type to = { .shape = SCHEMA_UNION,
	.scalar = &destination, .list = &destinations, .map = &manager_map,
	.wants = "a host, a list of hosts or {manager: NAME}" };
static const struct schema_type body = { .shape = SCHEMA_MAP,
	.wants = "{max: SIZE}", .keys = (const struct schema_key[]){
	KEY("max", body_size, REQUIRED, SCHEMA_LEAST, NULL,
	    "The largest body of a request."),
	END } };
static const struct schema_type protocol = { .shape = SCHEMA_WORD,
	.words = WORDS(NOW("http"), NOW("tcp"), LATER("ws"), LATER("grpc"),
	    LATER("git"), LATER("ssh"), LATER("postgres"), LATER("mcp")),
	.wants = "http or tcp" };
static const struct schema_type ranges = { .shape = SCHEMA_LIST,
	.item = &range, .min = 1, .wants = "a list of address ranges" };
static const struct schema_type tls_word = { .shape = SCHEMA_WORD,
	.words = WORDS(NOW("required"), NOW("splice"), NOW("none")),
	.wants = "required, splice, none or {ca: FILE}" };
static const struct schema_type tls_map = { .shape = SCHEMA_MAP,
	.wants = "{ca: FILE}", .keys = (const struct schema_key[]){
	KEY("ca", host_path, REQUIRED, SCHEMA_NEAREST, NULL,
	    "Certificates that the service's is verified by, PEM."),
	LATER_KEY("client_cert", "A certificate shown to the service."),
	END } };
static const struct schema_type tls = { .shape = SCHEMA_UNION,
	.scalar = &tls_word, .map = &tls_map,
	.wants = "required, splice, none or {ca: FILE}" };
static const struct schema_type dial_map = { .shape = SCHEMA_MAP,
	.wants = "ADDRESS:PORT", .keys = (const struct schema_key[]){
	LATER_KEY("jail", "Another jail."),
	LATER_KEY("port", "Its port."),
	END } };
static const struct schema_type dial = { .shape = SCHEMA_UNION,
	.scalar = &dial_address, .map = &dial_map,
	.wants = "an address and a port such as 127.0.0.1:18443" };

static const struct schema_type service = { .check = rules_service, .shape = SCHEMA_MAP,
	.wants = "a service such as {to: api.example.com, allow: any}",
	.keys = (const struct schema_key[]){
	KEY("to", to, REQUIRED, SCHEMA_NEAREST, NULL,
	    "Hosts, :443 unless said; *.example.com stands for one label."),
	KEY("allow", allow, REQUIRED, SCHEMA_NEAREST, NULL,
	    "What may be asked of them; any says it aloud."),
	KEY("ask", asks, GRANT, SCHEMA_DENY, NULL,
	    "Rules that a person decides: they beat every allow, and until "
	    "there is a way to approve, what they match is refused."),
	KEY("deny", rules, 0, SCHEMA_DENY, NULL,
	    "Rules that beat every allow."),
	KEY("body", body, 0, SCHEMA_NEAREST, NULL,
	    "Bounds of request bodies."),
	LATER_KEY("binaries", "Programs that may use the service."),
	KEY("protocol", protocol, 0, SCHEMA_NEAREST, "http", "http or tcp."),
	KEY("only_addresses", ranges, 0, SCHEMA_NEAREST, NULL,
	    "The only addresses it may have; opens private space for these."),
	KEY("tls", tls, 0, SCHEMA_NEAREST, NULL,
	    "required is the default of http but on port 80."),
	KEY("dial", dial, 0, SCHEMA_NEAREST, NULL,
	    "Where to connect in place of the name's addresses."),
	END } };
static const struct schema_type services = { .shape = SCHEMA_DICT,
	.form = form_name, .pattern = "^" NAME_RE "$", .item = &service,
	.wants = "services by name" };

static const struct schema_type network = { .shape = SCHEMA_MAP,
	.wants = "a mapping", .keys = (const struct schema_key[]){
	KEY("services", services, 0, SCHEMA_SERVICES, NULL,
	    "The only ways out, by name."),
	LATER_KEY("inbound", "Ports of the jail that may be reached."),
	LATER_KEY("upstream_proxy", "A proxy on the way out."),
	END } };

/* ---- credentials -------------------------------------------------------- */

static const struct schema_type source = { .shape = SCHEMA_MAP,
	.wants = "{vault: ENTRY}, {env: NAME} or {file: PATH}",
	.exactly_one = NAMES("vault", "env", "file"),
	.keys = (const struct schema_key[]){
	KEY("vault", vault_entry, 0, SCHEMA_NEAREST, NULL, "A vault entry."),
	KEY("env", env_name, 0, SCHEMA_NEAREST, NULL,
	    "A variable of the caller."),
	KEY("file", host_path, 0, SCHEMA_NEAREST, NULL, "A file of the host."),
	END } };
static const struct schema_type token_shape = { .shape = SCHEMA_WORD,
	.words = (const struct schema_word[]){
#define X(name_) NOW(#name_),
	PLAN_NET_SHAPES(X)
#undef X
	{ NULL, 0 } },
	.wants = "a shape such as opaque, github_pat or openai" };
static const struct schema_type placeholder = { .shape = SCHEMA_MAP,
	.wants = "{env: NAME, shape: SHAPE}",
	.keys = (const struct schema_key[]){
	KEY("env", env_name, REQUIRED, SCHEMA_NEAREST, NULL,
	    "The variable that holds it in the jail."),
	KEY("shape", token_shape, REQUIRED, SCHEMA_NEAREST, NULL,
	    "What it looks like."),
	END } };
static const struct schema_type as_word = { .shape = SCHEMA_WORD,
	.words = WORDS(NOW("bearer")),
	.wants = "bearer, {basic: USER} or {header: NAME}" };
static const struct schema_type as_map = { .shape = SCHEMA_MAP,
	.wants = "{basic: USER} or {header: NAME}",
	.exactly_one = NAMES("basic", "header"),
	.together = NAMES("format", "header"),
	.keys = (const struct schema_key[]){
	KEY("basic", user, 0, SCHEMA_NEAREST, NULL,
	    "Basic authentication as this user."),
	KEY("header", header, 0, SCHEMA_NEAREST, NULL, "A header's name."),
	KEY("format", header_format, 0, SCHEMA_NEAREST, "{}",
	    "What the header says; {} is the secret."),
	END } };
static const struct schema_type as = { .shape = SCHEMA_UNION,
	.scalar = &as_word, .map = &as_map,
	.wants = "bearer, {basic: USER} or {header: NAME}" };
static const struct schema_type when = { .shape = SCHEMA_WORD,
	.words = WORDS(NOW("placeholder"), NOW("always")),
	.wants = "placeholder or always" };
static const struct schema_type inject = { .shape = SCHEMA_MAP,
	.wants = "{service: NAME, as: bearer}",
	.keys = (const struct schema_key[]){
	KEY("service", name, REQUIRED, SCHEMA_NEAREST, NULL,
	    "A service of this policy."),
	KEY("as", as, REQUIRED, SCHEMA_NEAREST, NULL,
	    "How the request carries it."),
	KEY("when", when, 0, SCHEMA_NEAREST, NULL,
	    "placeholder: where the request carries the placeholder (default "
	    "if there is one); always: on every request."),
	END } };
static const struct schema_type injects = LIST_OF(inject,
	"a list of {service: NAME, as: bearer}");
static const struct schema_type elsewhere = { .shape = SCHEMA_WORD,
	.words = WORDS(NOW("refuse"), NOW("strip"), NOW("pass")),
	.wants = "refuse, strip or pass" };
static const struct schema_type from_client = { .shape = SCHEMA_WORD,
	.words = WORDS(NOW("strip"), NOW("refuse"), NOW("keep")),
	.wants = "strip, refuse or keep" };

static const struct schema_type credential = { .check = rules_credential, .shape = SCHEMA_MAP,
	.wants = "a mapping", .keys = (const struct schema_key[]){
	KEY("source", source, REQUIRED, SCHEMA_NEAREST, NULL,
	    "Where the secret is; never the secret itself."),
	KEY("placeholder", placeholder, 0, SCHEMA_NEAREST, NULL,
	    "A stable fake that looks right to the client."),
	KEY("inject", injects, 0, SCHEMA_NEAREST, NULL,
	    "Which requests carry it."),
	KEY("elsewhere", elsewhere, 0, SCHEMA_NEAREST, "refuse",
	    "The placeholder sent anywhere else."),
	KEY("from_client", from_client, 0, SCHEMA_NEAREST, "strip",
	    "A credential that the client brought itself."),
	KEY("scrub_response", boolean, 0, SCHEMA_NEAREST, "true",
	    "Replace the secret in responses by the placeholder."),
	KEY("required", boolean, 0, SCHEMA_NEAREST, "true",
	    "Without the secret no request."),
	END } };
static const struct schema_type credentials = { .shape = SCHEMA_DICT,
	.form = form_name, .pattern = "^" NAME_RE "$", .item = &credential,
	.wants = "credentials by name" };

/* ---- audit and tests ---------------------------------------------------- */

static const struct schema_type decisions = { .shape = SCHEMA_WORD,
	.words = WORDS(NOW("all"), NOW("refusals")),
	.wants = "all or refusals" };
static const struct schema_type audit = { .shape = SCHEMA_MAP,
	.wants = "a mapping", .keys = (const struct schema_key[]){
	KEY("decisions", decisions, 0, SCHEMA_LEAST, "all",
	    "Which decisions are recorded; bodies and header values never."),
	END } };

static const struct schema_type expect = { .shape = SCHEMA_WORD,
	.words = WORDS(NOW("allow"), NOW("deny"), NOW("ask")),
	.wants = "allow, deny or ask" };
static const struct schema_type refusal = { .shape = SCHEMA_WORD,
	.words = (const struct schema_word[]){
#define X(name_, http, text_, help) NOW(#name_),
	REFUSAL_CODES(X)
#undef X
	{ NULL, 0 } },
	.wants = "the code of a refusal such as path" };
static const struct schema_type test = { .shape = SCHEMA_MAP,
	.wants = "a test such as {name: TEXT, http: GET URL, expect: allow}",
	.exactly_one = NAMES("http", "tcp", "read", "write", "syscall"),
	.keys = (const struct schema_key[]){
	KEY("name", prose, REQUIRED, SCHEMA_SELF, NULL, "What it shows."),
	KEY("http", test_http, 0, SCHEMA_SELF, NULL, "A method and a URL."),
	KEY("tcp", test_tcp, 0, SCHEMA_SELF, NULL, "host:port."),
	KEY("read", jail_path, 0, SCHEMA_SELF, NULL, "A path in the jail."),
	KEY("write", jail_path, 0, SCHEMA_SELF, NULL, "A path in the jail."),
	KEY("syscall", syscall_name, 0, SCHEMA_SELF, NULL, "A system call."),
	KEY("expect", expect, REQUIRED, SCHEMA_SELF, NULL,
	    "allow, deny or ask."),
	KEY("rule", name, 0, SCHEMA_SELF, NULL, "The service that allows it."),
	KEY("code", refusal, 0, SCHEMA_SELF, NULL, "The refusal's code."),
	KEY("credential", name, 0, SCHEMA_SELF, NULL,
	    "The credential put in."),
	KEY("carries", name, 0, SCHEMA_SELF, NULL,
	    "The credential whose placeholder the request carries."),
	END } };
static const struct schema_type tests = LIST_OF(test, "a list of tests");

/* ---- the file ----------------------------------------------------------- */

static const struct schema_type kind = { .shape = SCHEMA_WORD,
	.words = WORDS(NOW("grant"), NOW("ceiling")),
	.wants = "grant or ceiling" };
static const struct schema_type references = LIST_OF(reference,
	"a list of references");

const struct schema_type schema_policy = { .shape = SCHEMA_MAP,
	.wants = "keys and values, such as \"policy: 1\"", .keys = (const struct schema_key[]){
	KEY("policy", version, REQUIRED, SCHEMA_SELF, NULL,
	    "Version of this language."),
	KEY("name", name, 0, SCHEMA_SELF, NULL,
	    "Name in records; without it the file's."),
	KEY("kind", kind, 0, SCHEMA_SELF, "grant",
	    "A grant gives, a ceiling only narrows what grants give."),
	KEY("summary", prose, 0, SCHEMA_SELF, NULL, "For people."),
	KEY("extends", references, 0, SCHEMA_SELF, NULL,
	    "Policies that this one builds on; of two, the later is nearer."),
	KEY("use", references, GRANT, SCHEMA_SELF, NULL,
	    "Service templates."),
	KEY("process", process, 0, SCHEMA_INSIDE, NULL, "The program."),
	KEY("filesystem", filesystem, 0, SCHEMA_INSIDE, NULL,
	    "What it sees and what it may write."),
	KEY("seccomp", seccomp, 0, SCHEMA_INSIDE, NULL,
	    "Which system calls it has."),
	KEY("limits", limits, 0, SCHEMA_INSIDE, NULL, "What it may use up."),
	KEY("requires", requires_, 0, SCHEMA_INSIDE, NULL,
	    "What this host must offer; missing, the jail does not start. "
	    "Without it, what is lost is recorded."),
	LATER_KEY("devices", "Devices such as GPUs."),
	KEY("network", network, 0, SCHEMA_INSIDE, NULL,
	    "Where it may go; nowhere without it."),
	KEY("credentials", credentials, GRANT, SCHEMA_BY_KEY, NULL,
	    "Secrets that are put on requests outside the jail."),
	KEY("audit", audit, 0, SCHEMA_INSIDE, NULL, "What is recorded."),
	KEY("tests", tests, 0, SCHEMA_SELF, NULL,
	    "Expectations that are checked offline."),
	END } };

/* clang-format on */

const struct schema_key *
schema_find(const struct schema_type *map, const char *name_)
{
	const struct schema_key *k;

	for (k = map->keys; k->name != NULL; k++)
		if (strcmp(k->name, name_) == 0)
			return k;
	return NULL;
}

const struct schema_key *
schema_path(const char *dotted)
{
	const struct schema_type *type = &schema_policy;
	const struct schema_key *k = NULL;
	char part[64];
	size_t n;

	for (; type != NULL && type->shape == SCHEMA_MAP; dotted += n + 1) {
		n = strcspn(dotted, ".");
		if (n == 0 || n >= sizeof(part))
			return NULL;
		memcpy(part, dotted, n);
		part[n] = '\0';
		if ((k = schema_find(type, part)) == NULL || dotted[n] == '\0')
			return k;
		type = k->type;
	}
	return NULL;
}
