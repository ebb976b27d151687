/*
 * Gives the disk of a guest a write cache that loses its contents with the power: preloaded into linux.uml.
 *
 * User-mode Linux writes straight into the page cache of the machine, so that killing it loses nothing the guest's
 * kernel had handed to its disk. A disk promises that only for what was flushed. So before each write (or discard) the old
 * contents are appended to a journal, and a flush empties the journal. After a power cut the caller puts the old
 * contents back, last first: then all writes since the last flush are lost, as on a disk with a cache without a battery.
 *
 * LAB_DISK is the image, LAB_JOURNAL the journal. A record is offset and length, 8 bytes each in the CPU's order,
 * and the old contents.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static ssize_t (*real_pwrite)(int, const void *, size_t, off64_t);
static int (*real_fallocate)(int, int, off64_t, off64_t);
static ssize_t (*real_read)(int, void *, size_t);
static int journal = -1;
static pid_t kernel;
static struct stat disk;

static void die(const char *what)
{
	perror(what);
	abort();
}

__attribute__((constructor)) static void start(void)
{
	const char *image = getenv("LAB_DISK"), *path = getenv("LAB_JOURNAL");

	real_pwrite = dlsym(RTLD_NEXT, "pwrite64");
	real_read = dlsym(RTLD_NEXT, "read");
	kernel = getpid();
	real_fallocate = dlsym(RTLD_NEXT, "fallocate64");
	if (image == NULL || path == NULL || stat(image, &disk) != 0)
		die("volatile-disk: LAB_DISK");
	journal = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (journal < 0)
		die("volatile-disk: LAB_JOURNAL");
}

static int is_disk(int fd)
{
	struct stat it;

	return fstat(fd, &it) == 0 && it.st_ino == disk.st_ino && it.st_dev == disk.st_dev;
}

/* What is past the end of the image reads as zeros, which is what a put-back leaves there. */
static void keep(int fd, off64_t offset, size_t length)
{
	uint64_t head[2] = { offset, length };
	char *old = calloc(1, length);
	struct iovec parts[2] = { { head, sizeof head }, { old, length } };

	if (old == NULL || pread64(fd, old, length, offset) < 0)
		die("volatile-disk: pread");
	if (writev(journal, parts, 2) != (ssize_t)(sizeof head + length))
		die("volatile-disk: writev");
	free(old);
}

ssize_t pwrite64(int fd, const void *data, size_t length, off64_t offset)
{
	if (is_disk(fd))
		keep(fd, offset, length);
	return real_pwrite(fd, data, length, offset);
}

int fallocate64(int fd, int mode, off64_t offset, off64_t length)
{
	if (is_disk(fd))
		keep(fd, offset, length);
	return real_fallocate(fd, mode, offset, length);
}

/*
 * The disk's driver says that it has a write cache, but a flush moves no data, and of a request without data it does
 * nothing at all, not even fsync (Linux 6.1.176). So a flush is seen where the driver's thread, a process of its own,
 * reads the requests: pointers to these, up to 64 at a time (arch/um/drivers/ubd_kern.c, struct io_thread_req). What a
 * flush has to make durable was answered before it was asked for, so nothing of its own batch counts.
 */
struct io_thread_req {
	void *req;
	int fds[2];
	unsigned long offsets[2];
	unsigned long long offset;
	int sectorsize;
	int error;
	int desc_cnt;
};
#define BATCH 64

ssize_t read(int fd, void *data, size_t length)
{
	ssize_t got = real_read(fd, data, length);
	struct io_thread_req **requests = data;
	size_t i;

	if (got <= 0 || length != BATCH * sizeof *requests || getpid() == kernel || got % sizeof *requests != 0)
		return got;
	for (i = 0; i < got / sizeof *requests; i++)
		if (requests[i]->desc_cnt == 0 && is_disk(requests[i]->fds[0]) && ftruncate(journal, 0) != 0)
			die("volatile-disk: ftruncate");
	return got;
}
