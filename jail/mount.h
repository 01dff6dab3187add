/*
 * mount.h: file systems and mounts by descriptor, for stage two.
 *
 * The mount API of Linux 5.2 and later: a mount is made or cloned detached,
 * gets its attributes, and is attached to a place that was opened below the
 * new root without following any link.  Raw system calls only; everything
 * returns a descriptor or 0, or -errno.  Descriptors are CLOEXEC, and mostly
 * left to the exec that ends stage two: one call closes them all.
 */
#ifndef MOUNT_H
#define MOUNT_H

#include <linux/mount.h>
#include <stdint.h>

#include "stage.h"

enum {
	MOUNT_RO = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
	MOUNT_RW = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
	/* device nodes: usable, their inodes unchangeable */
	MOUNT_NODE = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC,
};

struct mount_option {
	const char *key;
	const char *value; /* NULL: a flag */
};

void mount_close(long fd);

/* A clone of what is at (dfd, path), submounts too, with attributes set. */
long mount_clone(int dfd, const char *path, uint64_t attributes);

/* A new file system of a type, detached. */
long mount_new(const char *type, const struct mount_option *o, size_t n,
    uint64_t attributes);

/* owner: a uid of the jail's, as text; the group is the agent's. */
long mount_new_tmpfs(uint64_t size_bytes, uint64_t inodes, const char *mode,
    const char *owner, uint64_t attributes);

long mount_attach(long fd, int dfd, const char *path);

/* Open below the root; no symbolic link on the way or at the end. */
long mount_open(const struct stage *s, const char *path, int flags);

/*
 * Make a file (flags: O_EXCL, O_TRUNC; the result is a descriptor for
 * writing), a directory or a link, with the directories above it.  Paths
 * have no leading slash and outlive stage two, for the last one's directory
 * is remembered; no link on the way is followed; a directory or link that is
 * there already is left as it is.
 */
long mount_make_file(struct stage *s, const char *path, int flags);
long mount_make_dir(struct stage *s, const char *path);
long mount_make_link(struct stage *s, const char *to, const char *path);

/* Another name of a file below the root; both paths as above. */
long mount_make_same(struct stage *s, const char *file, const char *path);

/*
 * Attach a detached mount at an absolute path of the jail, which mount_at
 * makes where it is missing and mount_over does not.  Both pass an error in
 * place of fd on.
 */
long mount_at(struct stage *s, long fd, const char *path, int is_dir);
long mount_over(struct stage *s, long fd, const char *path);

/* What was mounted at path (no leading slash) may hide a remembered place. */
void mount_forget(struct stage *s, const char *path);

/*
 * The same by mount(2), in one or two calls instead of four to ten, and so by
 * name: for places that only we have been to, where no name can be a link.
 * Paths are absolute, the place is made; mount_bind makes none for a source
 * that is not there (-ENOENT).  The working directory is theirs.
 */
long mount_bind(struct stage *s, const char *from, const char *path, int is_dir,
    uint64_t attributes);
long mount_type(struct stage *s, const char *type, const char *path,
    uint64_t attributes, const char *options);
long mount_tmpfs(struct stage *s, const char *path, uint64_t size_bytes,
    uint64_t inodes, const char *mode, uint64_t attributes);

/* Names as they are seen from the working directory; the latter copies the
 * attributes with the mount. */
long mount_bind_here(const char *from, const char *to, uint64_t attributes);
long mount_bind_again(const char *from, const char *to);

#endif /* !MOUNT_H */
