/*
 * doctor_file.h: small files of the kernel's, read with bounds.
 */
#ifndef DOCTOR_FILE_H
#define DOCTOR_FILE_H

#include <stdint.h>

#include "base.h"

/* The first line without its newline.  1, or 0 with "" if there is none. */
int doctor_file_line(const char *path, char *ret, size_t size);

/* The whole, cut at size - 1 bytes and ended by a NUL; its length. */
size_t doctor_file_read(const char *path, char *ret, size_t size);

/* The word behind a key ("Seccomp:") of /proc/self/status.  1, or 0. */
int doctor_file_status(const char *key, char *ret, size_t size);

/* Whether our user namespace has the uids that root gives to jails. */
int doctor_file_maps_jails(void);

/* ---- of the text of a mountinfo file; pure ---- */

/* Whether one line of a uid_map has all these uids, as they are inside. */
int doctor_file_map_has(const char *uid_map, uint64_t first, uint64_t count);

/*
 * What is mounted over a part of /proc that is not empty by itself: 1 with
 * its mount point, or 0.
 */
int doctor_file_find_over_proc(const char *mountinfo, char *ret, size_t size);

/* The options of the file system that is mounted on /proc. */
int doctor_file_find_proc_options(const char *mountinfo, char *ret,
    size_t size);

/* The same of our own mount namespace. */
int doctor_file_over_proc(char *ret, size_t size);
int doctor_file_proc_options(char *ret, size_t size);

#endif /* !DOCTOR_FILE_H */
