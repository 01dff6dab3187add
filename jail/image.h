/*
 * image.h: a file system of an exact size in a file without a name.
 *
 * Runs in the launcher, as root, in a process of its own that shares the
 * launcher's memory: raw system calls only, nothing is allocated.  The file
 * is sparse and has no name, the loop device clears itself when its file
 * system goes: whoever is killed, nothing is left.  The jail reaches the
 * image as a file system only, never as a device, so what is parsed at the
 * mount is what was written here.
 */
#ifndef IMAGE_H
#define IMAGE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
	IMAGE_BLOCK = 4096,
	IMAGE_GROUP_BLOCKS = 8 * IMAGE_BLOCK, /* one bitmap's */
	IMAGE_GROUP_INODES = 8 * IMAGE_BLOCK, /* the same */
	IMAGE_GROUPS_MAX = 32768, /* 4 TiB; bitmaps are written one by one */
	IMAGE_FIRST_INODE = 11, /* those before it are ext4's own */
	IMAGE_LOOP_TRIES = 100, /* another program took the free device */
};

/* Where a step stopped. */
enum image_step {
	IMAGE_FILE,
	IMAGE_DISK, /* the file lies on one */
	IMAGE_CONTROL, /* /dev/loop-control */
	IMAGE_DEVICE, /* /dev/loopN */
	IMAGE_ATTACH,
	IMAGE_WRITE,
	IMAGE_TYPE, /* the kernel has ext4 */
	IMAGE_MOUNT,
	IMAGE__MAX
};

/*
 * Blocks in their order: the superblock; the group descriptors; a block
 * bitmap a group; an inode bitmap a group; the inode tables; the root
 * directory; then data.
 */
struct image_layout {
	uint64_t blocks, groups;
	uint64_t group_inodes, table_blocks; /* of each group */
	uint64_t descriptor_blocks;
	uint64_t used_blocks; /* all that comes before data */
	uint64_t reserved_blocks; /* for root, so that the rest is exact */
	uint64_t inodes; /* that a jail can have, the root directory's aside */
};

struct image {
	/* given */
	int dir; /* on whose disk the file lies; borrowed */
	uint64_t size_bytes, inodes;
	uid_t uid; /* whom the root directory belongs to */
	gid_t gid;
	uint32_t mode; /* of the root directory */
	uint32_t now; /* its times; seconds */
	const char *name; /* of whom, for whoever looks at the loop device */

	/* answers */
	int mount; /* detached, nosuid, nodev */
	enum image_step step;

	unsigned char block[4][IMAGE_BLOCK] __attribute__((aligned(4096)));
};

/* "free" bytes and inodes, exactly; 0, or -EFBIG. */
long image_plan(uint64_t size_bytes, uint64_t inodes, struct image_layout *ret);

/* Write an empty ext4 without a journal to fd, which reads as zeros as far
 * as l->blocks; 0, or -errno. */
long image_write(struct image *im, const struct image_layout *l, int fd);

/* The whole: file, device, mount.  0, or -errno with im->step set. */
long image_make(struct image *im);

/*
 * Nothing of it is wanted any more: what is not on the disk yet need not go
 * there.  Takes the mount, which is the last that knows it.
 */
void image_discard(int mount);

/* "loop device", … */
const char *image_step_name(enum image_step step);

#endif /* !IMAGE_H */
