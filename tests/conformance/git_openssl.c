/*
 * git_openssl.c: the libcurl that Debian's git asks for, made of the other one.
 *
 * git-remote-https is linked with the libcurl over GnuTLS.  Built as a
 * libcurl-gnutls.so.4 and found first, this hands each call on to the libcurl
 * over OpenSSL, as a distribution's git that is linked with that would make
 * it.  Where what it finds is not that, the program ends.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What git-remote-https takes of libcurl; its linker names what is missing. */
#define CALLS(X)                    \
	X(curl_easy_cleanup)        \
	X(curl_easy_duphandle)      \
	X(curl_easy_getinfo)        \
	X(curl_easy_init)           \
	X(curl_easy_setopt)         \
	X(curl_easy_strerror)       \
	X(curl_global_cleanup)      \
	X(curl_global_init)         \
	X(curl_global_sslset)       \
	X(curl_multi_add_handle)    \
	X(curl_multi_cleanup)       \
	X(curl_multi_fdset)         \
	X(curl_multi_info_read)     \
	X(curl_multi_init)          \
	X(curl_multi_perform)       \
	X(curl_multi_remove_handle) \
	X(curl_multi_strerror)      \
	X(curl_multi_timeout)       \
	X(curl_slist_append)        \
	X(curl_slist_free_all)

enum call {
#define NUMBER(name) CALL_##name,
	CALLS(NUMBER) CALL__MAX
};

static const char *const call_names[] = {
#define NAME(name) #name,
	CALLS(NAME)
};

__attribute__((used, visibility("hidden"))) void *git_openssl_to[CALL__MAX];

/* Whatever the arguments are, some of them of any number, they stay. */
#define JUMP(name)                                                      \
	__attribute__((naked)) void name(void);                         \
	__attribute__((naked)) void name(void)                          \
	{                                                               \
		__asm__("jmp *git_openssl_to+%c0(%%rip)"                \
			:                                               \
			: "i"((int)CALL_##name * (int)sizeof(void *))); \
	}
CALLS(JUMP)

__attribute__((constructor)) static void
git_openssl_start(void)
{
	void *curl = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
	char *(*version)(void) = NULL;
	int i;

	if (curl != NULL)
		version = (char *(*)(void))dlsym(curl, "curl_version");
	if (version == NULL || strstr(version(), "OpenSSL/") == NULL) {
		(void)fputs("there is no libcurl over OpenSSL\n", stderr);
		exit(1);
	}
	for (i = 0; i < CALL__MAX; i++)
		git_openssl_to[i] = dlsym(curl, call_names[i]);
}
