/*
 * image.c: an ext4 of our own, and a mount of it.
 *
 * mkfs would cost some milliseconds, a program and a template; an empty file
 * system of one known shape is ten small writes.  No journal and no
 * checksums: what it holds is thrown away with the jail.  Bitmaps and inode
 * tables lie together at the front (flex_bg), holes of the file are what is
 * free, and no superblock has a copy (sparse_super2).  It is written through
 * the device: attaching a file syncs it to the disk first, and what lies in
 * the device's cache the mount need not read.  Offsets are those of
 * struct ext4_super_block, ext4_group_desc, ext4_inode in fs/ext4/ext4.h.
 */
#include "image.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/loop.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <sys/vfs.h>

#include "base.h"
#include "sys.h"

enum {
	IMAGE_INODE = 256, /* bytes */
	IMAGE_BLOCK_INODES = IMAGE_BLOCK / IMAGE_INODE,
	IMAGE_DESCRIPTOR = 32, /* bytes */
	IMAGE_BLOCK_DESCRIPTORS = IMAGE_BLOCK / IMAGE_DESCRIPTOR,
	IMAGE_ROOT_INODE = 2,
	IMAGE_SUPER = 1024, /* where the superblock begins */
	IMAGE_IOV = 64,
	/* ext4_calculate_resv_clusters(): the kernel keeps so much back */
	IMAGE_KEPT_PART = 50,
	IMAGE_KEPT_MAX = 4096,
	IMAGE_DIRECTORY = 040000, /* in a mode */
	IMAGE_FLUSH_BYTES = 16 * 1024 * 1024,
};

static const char *const image_steps[IMAGE__MAX] = {
	[IMAGE_FILE] = "image file",
	[IMAGE_WRITE] = "writing the image",
	[IMAGE_DISK] = "the overlay's upper layer is in memory",
	[IMAGE_CONTROL] = "/dev/loop-control",
	[IMAGE_DEVICE] = "loop device",
	[IMAGE_ATTACH] = "loop device: attach",
	[IMAGE_TYPE] = "ext4",
	[IMAGE_MOUNT] = "mounting the image",
};

const char *
image_step_name(enum image_step step)
{
	return image_steps[step];
}

/* ---- the layout ---- */

static uint64_t
image_parts(uint64_t n, uint64_t size)
{
	return (n + size - 1) / size;
}

static void
image_layout_of(struct image_layout *l, uint64_t groups, uint64_t data)
{
	uint64_t all = l->inodes + IMAGE_FIRST_INODE - 1, least;

	l->groups = groups;
	l->table_blocks =
	    image_parts(image_parts(all, groups), IMAGE_BLOCK_INODES);
	l->group_inodes = l->table_blocks * IMAGE_BLOCK_INODES;
	l->descriptor_blocks = image_parts(groups, IMAGE_BLOCK_DESCRIPTORS);
	l->used_blocks =
	    1 + l->descriptor_blocks + groups * (2 + l->table_blocks) + 1;
	l->blocks = l->used_blocks + data + IMAGE_KEPT_MAX;
	/* as many groups as the inodes want */
	least = (groups - 1) * IMAGE_GROUP_BLOCKS + 1;
	if (l->blocks < least)
		l->blocks = least;
}

/* What the kernel keeps back and what is reserved are more than is wanted. */
static void
image_reserve(struct image_layout *l, uint64_t data)
{
	uint64_t kept = l->blocks / IMAGE_KEPT_PART;

	if (kept > IMAGE_KEPT_MAX)
		kept = IMAGE_KEPT_MAX;
	l->reserved_blocks = l->blocks - l->used_blocks - data - kept;
}

long
image_plan(uint64_t size_bytes, uint64_t inodes, struct image_layout *ret)
{
	struct image_layout l = { .inodes = inodes };
	uint64_t data = image_parts(size_bytes, IMAGE_BLOCK);
	uint64_t groups =
	    image_parts(inodes + IMAGE_FIRST_INODE - 1, IMAGE_GROUP_INODES);
	uint64_t wanted;

	if (size_bytes >
		(uint64_t)IMAGE_GROUPS_MAX * IMAGE_GROUP_BLOCKS * IMAGE_BLOCK ||
	    inodes > (uint64_t)IMAGE_GROUPS_MAX * IMAGE_GROUP_INODES)
		return -EFBIG;
	/* more groups need more blocks for themselves, so it only grows */
	for (;; groups = wanted) {
		if (groups > IMAGE_GROUPS_MAX)
			return -EFBIG;
		image_layout_of(&l, groups, data);
		wanted = image_parts(l.blocks, IMAGE_GROUP_BLOCKS);
		if (wanted <= groups)
			break;
	}
	image_reserve(&l, data);
	*ret = l;
	return 0;
}

/* ---- what is written ---- */

static void
image_put(unsigned char *p, uint64_t v, unsigned bytes)
{
	for (; bytes > 0; bytes--, v >>= 8)
		*p++ = (unsigned char)v;
}

/* Set bits from..to of a bitmap. */
static void
image_bits(unsigned char *map, uint64_t from, uint64_t to)
{
	for (; from < to && from % 8 != 0; from++)
		map[from / 8] |= (unsigned char)(1U << from % 8);
	if (from < to)
		memset(map + from / 8, 0xff, (to - from) / 8);
	for (from += (to - from) / 8 * 8; from < to; from++)
		map[from / 8] |= (unsigned char)(1U << from % 8);
}

static uint64_t
image_within(uint64_t n, uint64_t begin, uint64_t size)
{
	if (n <= begin)
		return 0;
	return n - begin < size ? n - begin : size;
}

/* How many blocks group g has, and how many of them are not free. */
static uint64_t
image_group_blocks(const struct image_layout *l, uint64_t g)
{
	return image_within(l->blocks, g * IMAGE_GROUP_BLOCKS,
	    IMAGE_GROUP_BLOCKS);
}

static uint64_t
image_group_used(const struct image_layout *l, uint64_t g)
{
	return image_within(l->used_blocks, g * IMAGE_GROUP_BLOCKS,
	    IMAGE_GROUP_BLOCKS);
}

/* How many inodes of group g, from its first, a jail may ever have. */
static uint64_t
image_group_limit(const struct image_layout *l, uint64_t g)
{
	return image_within(l->inodes + IMAGE_FIRST_INODE - 1,
	    g * l->group_inodes, l->group_inodes);
}

static uint64_t
image_block_bitmap(const struct image_layout *l)
{
	return 1 + l->descriptor_blocks;
}

static uint64_t
image_inode_bitmap(const struct image_layout *l)
{
	return image_block_bitmap(l) + l->groups;
}

static uint64_t
image_table(const struct image_layout *l)
{
	return image_inode_bitmap(l) + l->groups;
}

static long
image_pwrite(int fd, const void *p, size_t size, uint64_t at)
{
	long n = SYS(SYS_pwrite64, fd, p, size, at);

	if (n < 0)
		return n;
	return (size_t)n == size ? 0 : -EIO;
}

static long
image_write_super(struct image *im, const struct image_layout *l, int fd)
{
	uint64_t inodes = l->groups * l->group_inodes;

	/* clang-format off */
	const struct {
		uint32_t at, bytes;
		uint64_t value;
	} fields[] = {
		{   0, 4, inodes },
		{   4, 4, l->blocks },
		{   8, 4, l->reserved_blocks },
		{  12, 4, l->blocks - l->used_blocks }, /* free */
		{  16, 4, l->inodes }, /* free */
		{  24, 4, 2 }, /* log2 of a block's kibibytes */
		{  28, 4, 2 }, /* of a cluster's */
		{  32, 4, IMAGE_GROUP_BLOCKS },
		{  36, 4, IMAGE_GROUP_BLOCKS }, /* clusters */
		{  40, 4, l->group_inodes },
		{  48, 4, im->now }, /* written */
		{  54, 2, 0xffff }, /* no check after so many mounts */
		{  56, 2, 0xef53 },
		{  58, 2, 1 }, /* clean */
		{  60, 2, 2 }, /* on errors (a full host disk): read-only */
		{  64, 4, im->now }, /* checked */
		{  76, 4, 1 }, /* revision: with what follows */
		{  84, 4, IMAGE_FIRST_INODE },
		{  88, 2, IMAGE_INODE },
		{  92, 4, 0x228 }, /* ext_attr, dir_index, sparse_super2 */
		{  96, 4, 0x242 }, /* filetype, extents, flex_bg */
		{ 100, 4, 0x6a }, /* large_file, huge_file, dir_nlink,
				     extra_isize */
		{ 236, 8, 0x9e3779b97f4a7c15 }, /* names' hash seed, and */
		{ 244, 8, im->now ^ 0xc2b2ae3d27d4eb4f }, /* its second half */
		{ 252, 1, 1 }, /* hash: half MD4 */
		{ 264, 4, im->now }, /* made */
		{ 348, 2, 32 }, /* extra bytes of an inode, least */
		{ 350, 2, 32 }, /* and wanted */
		{ 352, 4, 1 }, /* flags: hashes of signed characters */
		{ 372, 1, 4 }, /* log2 of the groups in a flex_bg */
		{ 584, 4, l->used_blocks - 1 }, /* overhead, as the kernel counts */
	};

	/* clang-format on */

	unsigned char *p = im->block[0];
	size_t i;

	memset(p, 0, IMAGE_BLOCK);
	for (i = 0; i < countof(fields); i++)
		image_put(p + IMAGE_SUPER + fields[i].at, fields[i].value,
		    fields[i].bytes);
	return image_pwrite(fd, p, IMAGE_BLOCK, 0);
}

static void
image_descriptor(const struct image_layout *l, uint64_t g, unsigned char *p)
{
	uint64_t limit = image_group_limit(l, g);

	image_put(p, image_block_bitmap(l) + g, 4);
	image_put(p + 4, image_inode_bitmap(l) + g, 4);
	image_put(p + 8, image_table(l) + g * l->table_blocks, 4);
	image_put(p + 12, image_group_blocks(l, g) - image_group_used(l, g), 2);
	if (g == 0)
		limit -= IMAGE_FIRST_INODE - 1;
	image_put(p + 14, limit, 2);
	image_put(p + 16, g == 0, 2); /* directories */
}

static long
image_write_descriptors(struct image *im, const struct image_layout *l, int fd)
{
	unsigned char *p = im->block[0];
	uint64_t b, g = 0, i;
	long r = 0;

	for (b = 0; b < l->descriptor_blocks && r >= 0; b++) {
		memset(p, 0, IMAGE_BLOCK);
		for (i = 0; i < IMAGE_BLOCK_DESCRIPTORS && g < l->groups; i++)
			image_descriptor(l, g++, p + i * IMAGE_DESCRIPTOR);
		r = image_pwrite(fd, p, IMAGE_BLOCK, (1 + b) * IMAGE_BLOCK);
	}
	return r;
}

/* A group that is all free is a hole. */
static long
image_write_block_bitmaps(struct image *im, const struct image_layout *l,
    int fd)
{
	unsigned char *p = im->block[0];
	uint64_t g, used, size;
	long r = 0;

	for (g = 0; g < l->groups && r >= 0; g++) {
		used = image_group_used(l, g);
		size = image_group_blocks(l, g);
		if (used == 0 && size == IMAGE_GROUP_BLOCKS)
			continue;
		memset(p, 0, IMAGE_BLOCK);
		image_bits(p, 0, used);
		image_bits(p, size, IMAGE_GROUP_BLOCKS);
		r = image_pwrite(fd, p, IMAGE_BLOCK,
		    (image_block_bitmap(l) + g) * IMAGE_BLOCK);
	}
	return r;
}

/* The four kinds of inode bitmaps: the first, whole, the last, none. */
static const unsigned char *
image_inode_kind(const struct image *im, const struct image_layout *l,
    uint64_t g)
{
	uint64_t limit = image_group_limit(l, g);

	if (g == 0)
		return im->block[0];
	if (limit == l->group_inodes)
		return im->block[1];
	return limit > 0 ? im->block[2] : im->block[3];
}

static void
image_inode_kinds(struct image *im, const struct image_layout *l)
{
	const uint64_t limit[] = {
		image_group_limit(l, 0),
		l->group_inodes,
		(l->inodes + IMAGE_FIRST_INODE - 1) % l->group_inodes,
		0,
	};
	size_t i;

	memset(im->block, 0, sizeof(im->block));
	for (i = 0; i < countof(limit); i++)
		image_bits(im->block[i], limit[i], IMAGE_GROUP_INODES);
	image_bits(im->block[0], 0, IMAGE_FIRST_INODE - 1);
}

/* Beyond the limit they are taken for good: the number is exact. */
static long
image_write_inode_bitmaps(struct image *im, const struct image_layout *l,
    int fd)
{
	struct iovec v[IMAGE_IOV];
	uint64_t g = 0, from;
	size_t n;
	long r;

	image_inode_kinds(im, l);
	while (g < l->groups) {
		from = g;
		for (n = 0; n < IMAGE_IOV && g < l->groups; n++, g++)
			v[n] = (struct iovec){
				(void *)image_inode_kind(im, l, g),
				IMAGE_BLOCK,
			};
		r = SYS(SYS_pwritev, fd, v, n,
		    (image_inode_bitmap(l) + from) * IMAGE_BLOCK, 0);
		if (r < 0)
			return r;
		if ((size_t)r != n * IMAGE_BLOCK)
			return -EIO;
	}
	return 0;
}

static long
image_write_root(struct image *im, const struct image_layout *l, int fd)
{
	uint64_t block = l->used_blocks - 1;

	/* clang-format off */
	const struct {
		uint32_t at, bytes;
		uint64_t value;
	} fields[] = {
		{   0, 2, IMAGE_DIRECTORY | im->mode },
		{   2, 2, im->uid },
		{   4, 4, IMAGE_BLOCK }, /* size */
		{   8, 4, im->now },
		{  12, 4, im->now },
		{  16, 4, im->now },
		{  24, 2, im->gid },
		{  26, 2, 2 }, /* links */
		{  28, 4, IMAGE_BLOCK / 512 },
		{  32, 4, 0x80000 }, /* extents: a header, then one */
		{  40, 2, 0xf30a },
		{  42, 2, 1 }, /* entries */
		{  44, 2, 4 }, /* room for */
		{  56, 2, 1 }, /* blocks */
		{  60, 4, block },
		{ 120, 2, im->uid >> 16 },
		{ 122, 2, im->gid >> 16 },
		{ 128, 2, 32 }, /* extra bytes */
	}, names[] = {
		{   0, 4, IMAGE_ROOT_INODE },
		{   4, 2, 12 }, /* bytes to the next */
		{   6, 1, 1 }, /* of the name */
		{   7, 1, 2 }, /* a directory */
		{   8, 1, '.' },
		{  12, 4, IMAGE_ROOT_INODE },
		{  16, 2, IMAGE_BLOCK - 12 },
		{  18, 1, 2 },
		{  19, 1, 2 },
		{  20, 2, '.' | '.' << 8 },
	};

	/* clang-format on */

	unsigned char *table = im->block[0], *dir = im->block[1];
	unsigned char *inode = table + (IMAGE_ROOT_INODE - 1) * IMAGE_INODE;
	size_t i;
	long r;

	memset(im->block, 0, sizeof(im->block));
	for (i = 0; i < countof(fields); i++)
		image_put(inode + fields[i].at, fields[i].value,
		    fields[i].bytes);
	for (i = 0; i < countof(names); i++)
		image_put(dir + names[i].at, names[i].value, names[i].bytes);
	/* whole blocks: nothing has to be read first */
	r = image_pwrite(fd, table, IMAGE_BLOCK, image_table(l) * IMAGE_BLOCK);
	if (r < 0)
		return r;
	return image_pwrite(fd, dir, IMAGE_BLOCK, block * IMAGE_BLOCK);
}

long
image_write(struct image *im, const struct image_layout *l, int fd)
{
	long r = image_write_super(im, l, fd);

	if (r >= 0)
		r = image_write_descriptors(im, l, fd);
	if (r >= 0)
		r = image_write_block_bitmaps(im, l, fd);
	if (r >= 0)
		r = image_write_inode_bitmaps(im, l, fd);
	if (r >= 0)
		r = image_write_root(im, l, fd);
	return r;
}

/* ---- the device ---- */

static void
image_close(long *fd)
{
	if (*fd >= 0)
		(void)SYS(SYS_close, *fd);
	*fd = -1;
}

#define autoclose cleanup(image_close) long

static long
image_open(int dir, const char *path, int flags, int mode)
{
	return SYS(SYS_openat, dir, path, flags | O_CLOEXEC, mode);
}

/*
 * Where a file cannot be made without a name (overlayfs before Linux 6.3), one
 * at a time is made with the same name.  Who is killed between the two calls
 * leaves an empty file to the next.
 */
static long
image_file_named(int dir)
{
	static const char name[] = "new";
	long r = SYS(SYS_flock, dir, LOCK_EX), fd;

	if (r < 0)
		return r;
	(void)SYS(SYS_unlinkat, dir, name, 0);
	fd = image_open(dir, name, O_RDWR | O_CREAT | O_EXCL, 0600);
	r = fd < 0 ? fd : SYS(SYS_unlinkat, dir, name, 0);
	(void)SYS(SYS_flock, dir, LOCK_UN);
	if (r < 0)
		image_close(&fd);
	return r < 0 ? r : fd;
}

static long
image_file(int dir)
{
	long fd = image_open(dir, ".", O_TMPFILE | O_RDWR, 0600);

	return fd == -EOPNOTSUPP ? image_file_named(dir) : fd;
}

/*
 * An overlay does not say where it writes; of the file systems that it may
 * write to, those in memory have no extents to tell of.
 */
static long
image_on_disk(long fd)
{
	struct fiemap map = { .fm_length = IMAGE_BLOCK };
	struct statfs fs;
	long r = SYS(SYS_fstatfs, fd, &fs);

	if (r < 0 || fs.f_type != OVERLAYFS_SUPER_MAGIC)
		return r;
	return SYS(SYS_ioctl, fd, FS_IOC_FIEMAP, &map);
}

/* "/dev/loop" and the number. */
static void
image_device_path(char *ret, unsigned long n)
{
	char digits[24], *d = digits + sizeof(digits);

	*--d = '\0';
	do
		*--d = (char)('0' + n % 10);
	while ((n /= 10) != 0);
	memcpy(ret, "/dev/loop", 9);
	memcpy(ret + 9, d, (size_t)(digits + sizeof(digits) - d));
}

/*
 * Buffered: direct writes would make each start wait for the disk, and what
 * is thrown away soon would go there.
 */
static long
image_attach_to(const struct image *im, long device, long file)
{
	struct loop_config c = {
		.fd = (uint32_t)file,
		.block_size = IMAGE_BLOCK,
		.info = { .lo_flags = LO_FLAGS_AUTOCLEAR },
	};
	size_t n = strnlen(im->name, LO_NAME_SIZE - 1);

	memcpy(c.info.lo_file_name, im->name, n);
	return SYS(SYS_ioctl, device, LOOP_CONFIGURE, &c);
}

/* Takes a free device; its descriptor keeps it until the mount does. */
static long
image_attach(struct image *im, long file, char *ret_path)
{
	autoclose control = -1;
	autoclose device = -1;
	long n, r;
	int tries;

	im->step = IMAGE_CONTROL;
	control = image_open(AT_FDCWD, "/dev/loop-control", O_RDWR, 0);
	if (control < 0)
		return control;
	for (tries = 0; tries < IMAGE_LOOP_TRIES; tries++) {
		im->step = IMAGE_DEVICE;
		n = SYS(SYS_ioctl, control, LOOP_CTL_GET_FREE);
		if (n < 0)
			return n;
		image_device_path(ret_path, (unsigned long)n);
		device = image_open(AT_FDCWD, ret_path, O_RDWR, 0);
		if (device < 0)
			return device;
		im->step = IMAGE_ATTACH;
		r = image_attach_to(im, device, file);
		if (r >= 0) {
			r = device;
			device = -1;
			return r;
		}
		image_close(&device);
		if (r != -EBUSY)
			return r;
	}
	return -EBUSY;
}

/* Nothing in it has to outlast a power failure: fsync need not reach the
 * disk's own cache. */
static long
image_mount(struct image *im, const char *device)
{
	autoclose fs = -1;
	long r;

	im->step = IMAGE_TYPE;
	fs = SYS(SYS_fsopen, "ext4", FSOPEN_CLOEXEC);
	if (fs < 0)
		return fs;
	im->step = IMAGE_MOUNT;
	if ((r = SYS(SYS_fsconfig, fs, FSCONFIG_SET_STRING, "source", device,
		 0)) < 0 ||
	    (r = SYS(SYS_fsconfig, fs, FSCONFIG_SET_FLAG, "nobarrier", 0, 0)) <
		0 ||
	    (r = SYS(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, 0, 0, 0)) < 0)
		return r;
	return SYS(SYS_fsmount, fs, FSMOUNT_CLOEXEC,
	    MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
}

long
image_make(struct image *im)
{
	struct image_layout l;
	char path[64];
	autoclose file = -1;
	autoclose device = -1;
	long r;

	im->step = IMAGE_FILE;
	if ((r = image_plan(im->size_bytes, im->inodes, &l)) < 0)
		return r;
	file = image_file(im->dir);
	if (file < 0)
		return file;
	im->step = IMAGE_DISK;
	if ((r = image_on_disk(file)) < 0)
		return r;
	im->step = IMAGE_FILE;
	if ((r = SYS(SYS_ftruncate, file, l.blocks * IMAGE_BLOCK)) < 0)
		return r;
	/* a device of blocks as large as ours: or its cache would be dropped */
	device = image_attach(im, file, path);
	if (device < 0)
		return device;
	im->step = IMAGE_WRITE;
	if ((r = image_write(im, &l, (int)device)) < 0)
		return r;
	r = image_mount(im, path);
	if (r < 0)
		return r;
	im->mount = (int)r;
	return 0;
}

/* EXT4_IOC_SHUTDOWN, without a last flush; older headers lack it. */
#define IMAGE_SHUTDOWN _IOR('X', 125, uint32_t)
#define IMAGE_SHUTDOWN_NO_FLUSH 2

/* Shutting down takes as long as writing back some megabytes. */
static int
image_is_worth(int mount)
{
	struct statfs fs;

	return fstatfs(mount, &fs) == 0 &&
	       (uint64_t)(fs.f_blocks - fs.f_bfree) * (uint64_t)fs.f_bsize >
		   IMAGE_FLUSH_BYTES;
}

void
image_discard(int mount)
{
	uint32_t how = IMAGE_SHUTDOWN_NO_FLUSH;
	autofd owned = mount;
	autofd dir = -1;

	if (image_is_worth(mount))
		dir = openat(mount, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir != -1)
		(void)ioctl(dir, IMAGE_SHUTDOWN, &how);
}
