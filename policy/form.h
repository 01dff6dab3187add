/*
 * form.h: the forms that strings in a policy may have.
 *
 * One function a form: hosts, paths, globs, names.  Each returns NULL if the
 * node's text has the form, otherwise what is wanted, as the end of a
 * sentence that begins with the value.  Some put the text into its one
 * canonical spelling.  The table in schema.c names them; warder-config only.
 */
#ifndef FORM_H
#define FORM_H

#include "yaml.h"

enum {
	FORM_NAME_MAX = 64, /* services, credentials, policies */
	FORM_TEXT_MAX = 1024, /* characters of prose */
	FORM_GLOB_MAX = 1024, /* bytes of a path or query pattern */
	FORM_ENV_VALUE_MAX = 8192,
};

typedef const char *form_fn(struct yaml_node *n);

form_fn form_name;
form_fn form_text;
form_fn form_reference; /* of extends and use */
form_fn form_env_name;
form_fn form_env_value;
form_fn form_jail_path;
form_fn form_host_path; /* becomes absolute; ~ and the file's directory */
form_fn form_protect; /* number is 1 for dir/ ** , which is cut off */
form_fn form_syscall;
form_fn form_destination; /* host or host:port; number is the port or 0 */
form_fn form_dial; /* address:port */
form_fn form_range; /* CIDR */
form_fn form_url_path;
form_fn form_query;
form_fn form_header;
form_fn form_header_format;
form_fn form_user;
form_fn form_vault_entry;
form_fn form_test_http;
form_fn form_test_tcp;

#endif /* !FORM_H */
