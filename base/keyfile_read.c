/* keyfile_read.c: apart, since launchers keep no secrets. */
#include "keyfile.h"

int
keyfile_read(int fd, const char *what, struct secret **ret, struct err *e)
{
	autosecret *s = NULL;

	if (keyfile_check(fd, what, e) == -1 || secret_read(fd, &s, e) == -1)
		return -1;
	if (secret_size(s) != KEYFILE_SIZE)
		return err_set(e, ERR_CORRUPT, "%s changed while it was read",
		    what);
	*ret = take_ptr(&s);
	return 0;
}
