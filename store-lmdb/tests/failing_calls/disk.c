/* A disk that fails, and loses power: put between a process and its C library (LD_PRELOAD).
 *
 * The process writes to its file as ever. Beside it stands what a disk would have of it: pages that were flushed. A call on the file
 * that is told to fail does so before anything is done, or when it is done. A flush that fails forgets the pages that it should
 * have written, as systems do; those that the disk never had are not written by later flushes either, before the file is cut
 * in front of them. When the process ends, the power is cut: of the pages that are not flushed some have reached the disk, and some have not.
 *
 * FAULT_FILE   the file
 * FAULT_DISK   where the disk is written to at the end
 * FAULT_CALLS  where it is written how many calls there were
 * FAULT_WHEN   while there is a file of this name, calls fail whose letters are in it: w writes, m writes that are flushed at once, f
 *              flushes, c cuts. With 1 in it, it is gone after the first. M is m, and the next write, which is not done
 * FAULT_AT     or: the number of the call that fails, from 1
 * FAULT_MANY   how many fail, from that one on
 * FAULT_LATE   1 to do what is to fail, 2 to do half of a write
 * FAULT_ERROR  the number of the error
 * FAULT_SEED   what chance begins with
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGE 4096
#define PAGES 16384

enum { CLEAN, DIRTY, FORGOTTEN };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static unsigned char disk[PAGES][PAGE];
static unsigned char state[PAGES];
static off_t disk_size;
static ino_t file;
static long calls, at, many;
static int late, error, reader, next_write_fails;
static unsigned long long chance;

static const char *variable(const char *name) {
	const char *value = getenv(name);
	return value ? value : "";
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int flip(void) {
	chance = chance * 6364136223846793005ULL + 1442695040888963407ULL;
	return (chance >> 60) & 1;
}

__attribute__((constructor)) static void begin(void) {
	struct stat found;
	reader = open(variable("FAULT_FILE"), O_RDONLY);
	if (reader < 0 || fstat(reader, &found))
		return;
	disk_size = REAL(pread)(reader, disk, sizeof(disk), 0);
	at = atol(variable("FAULT_AT"));
	many = atol(variable("FAULT_MANY"));
	late = atoi(variable("FAULT_LATE"));
	error = atoi(variable("FAULT_ERROR"));
	chance = strtoull(variable("FAULT_SEED"), NULL, 10);
	for (int number = 0; number < 3; number++)
		flip();
	file = found.st_ino;
}

/* Whether it is the file. It is locked then. */
static int is_file(int descriptor) {
	struct stat found;
	if (!file || fstat(descriptor, &found) || found.st_ino != file)
		return 0;
	pthread_mutex_lock(&lock);
	return 1;
}

/* Whether this call fails, which is of this kind. */
static int fails(char kind) {
	char kinds[8] = "";
	int when;
	calls++;
	if (at)
		return calls >= at && calls < at + many;
	if ((when = open(variable("FAULT_WHEN"), O_RDONLY)) < 0)
		return 0;
	if (REAL(read)(when, kinds, sizeof(kinds) - 1) < 0)
		abort();
	close(when);
	if (kind == 'w' && next_write_fails) {
		next_write_fails = late = 0;
		unlink(variable("FAULT_WHEN"));
		return 1;
	}
	if (kind == 'm' && strchr(kinds, 'M'))
		return next_write_fails = 1;
	if (!strchr(kinds, kind))
		return 0;
	if (strchr(kinds, '1'))
		unlink(variable("FAULT_WHEN"));
	return 1;
}

static int is_flushed_at_once(int descriptor) {
	return fcntl(descriptor, F_GETFL) & O_DSYNC;
}

static void dirty(off_t offset, ssize_t length) {
	for (off_t page = offset / PAGE; length > 0 && page <= (offset + length - 1) / PAGE; page++)
		if (state[page] == CLEAN)
			state[page] = DIRTY;
}

static void write_page(off_t page) {
	ssize_t length = REAL(pread)(reader, disk[page], PAGE, page * PAGE);
	off_t end = page * PAGE + (length > 0 ? length : 0);
	if (end > disk_size)
		disk_size = end;
}

/* Writes what is dirty to the disk; or only some of it, and forgets the rest. */
static void flush(off_t first, off_t last, int is_lost) {
	off_t had = (disk_size + PAGE - 1) / PAGE;
	for (off_t page = first; page <= last && page < PAGES; page++) {
		if (state[page] != DIRTY)
			continue;
		if (!is_lost || flip())
			write_page(page);
		state[page] = is_lost && page >= had ? FORGOTTEN : CLEAN;
	}
}

static ssize_t end_write(int descriptor, off_t offset, ssize_t written, int has_failed) {
	dirty(offset, written);
	if (written > 0 && is_flushed_at_once(descriptor))
		flush(offset / PAGE, (offset + written - 1) / PAGE, has_failed);
	pthread_mutex_unlock(&lock);
	if (has_failed)
		errno = error;
	return has_failed ? -1 : written;
}

#define WRITE(descriptor, offset, call)                                        \
	int parts_of = 1;                                                      \
	if (!is_file(descriptor))                                              \
		return call;                                                   \
	off_t where = offset;                                                  \
	int has_failed = fails(is_flushed_at_once(descriptor) ? 'm' : 'w');    \
	if (has_failed && late == 2)                                           \
		parts_of = 2;                                                  \
	ssize_t written = has_failed && !late ? 0 : call;                      \
	return end_write(descriptor, where, written, has_failed)

ssize_t pwrite(int descriptor, const void *bytes, size_t length, off_t offset) {
	WRITE(descriptor, offset, REAL(pwrite)(descriptor, bytes, length / parts_of, offset));
}
ssize_t pwrite64(int descriptor, const void *bytes, size_t length, off_t offset) {
	WRITE(descriptor, offset, REAL(pwrite)(descriptor, bytes, length / parts_of, offset));
}
ssize_t write(int descriptor, const void *bytes, size_t length) {
	WRITE(descriptor, REAL(lseek)(descriptor, 0, SEEK_CUR), REAL(write)(descriptor, bytes, length / parts_of));
}
ssize_t writev(int descriptor, const struct iovec *parts, int count) {
	WRITE(descriptor, REAL(lseek)(descriptor, 0, SEEK_CUR), REAL(writev)(descriptor, parts, count / parts_of));
}

/* It need not survive the machine that this runs on. */
static int flush_all(int descriptor) {
	if (!is_file(descriptor))
		return 0;
	int has_failed = fails('f');
	flush(0, PAGES - 1, has_failed);
	struct stat found;
	if (!has_failed && !fstat(descriptor, &found) && found.st_size < disk_size)
		disk_size = found.st_size;
	pthread_mutex_unlock(&lock);
	if (has_failed)
		errno = error;
	return has_failed ? -1 : 0;
}

int fdatasync(int descriptor) { return flush_all(descriptor); }
int fsync(int descriptor) { return flush_all(descriptor); }

#define READ(descriptor, call)                                                 \
	if (!is_file(descriptor))                                              \
		return call;                                                   \
	int has_failed = fails('r');                                           \
	ssize_t result = has_failed ? -1 : call;                               \
	pthread_mutex_unlock(&lock);                                           \
	if (has_failed)                                                        \
		errno = error;                                                 \
	return result

ssize_t pread(int descriptor, void *bytes, size_t length, off_t offset) {
	READ(descriptor, REAL(pread)(descriptor, bytes, length, offset));
}
ssize_t pread64(int descriptor, void *bytes, size_t length, off_t offset) {
	READ(descriptor, REAL(pread)(descriptor, bytes, length, offset));
}
ssize_t read(int descriptor, void *bytes, size_t length) {
	READ(descriptor, REAL(read)(descriptor, bytes, length));
}

static int cut(int descriptor, off_t length) {
	if (!is_file(descriptor))
		return REAL(ftruncate)(descriptor, length);
	int has_failed = fails('c');
	int result = has_failed && !late ? 0 : REAL(ftruncate)(descriptor, length);
	if (!has_failed || late)
		for (off_t page = (length + PAGE - 1) / PAGE; page < PAGES; page++)
			state[page] = CLEAN;
	pthread_mutex_unlock(&lock);
	if (has_failed)
		errno = error;
	return has_failed ? -1 : result;
}
int ftruncate(int descriptor, off_t length) { return cut(descriptor, length); }
int ftruncate64(int descriptor, off_t length) { return cut(descriptor, length); }

static off_t go(int descriptor, off_t offset, int whence) {
	if (!is_file(descriptor))
		return REAL(lseek)(descriptor, offset, whence);
	int has_failed = fails('s');
	off_t result = has_failed && !late ? 0 : REAL(lseek)(descriptor, offset, whence);
	pthread_mutex_unlock(&lock);
	if (has_failed)
		errno = error;
	return has_failed ? -1 : result;
}
off_t lseek(int descriptor, off_t offset, int whence) { return go(descriptor, offset, whence); }
off_t lseek64(int descriptor, off_t offset, int whence) { return go(descriptor, offset, whence); }

__attribute__((destructor)) static void cut_the_power(void) {
	if (!file)
		return;
	pthread_mutex_lock(&lock);
	for (off_t page = 0; page < PAGES; page++)
		if (state[page] == DIRTY && flip())
			write_page(page);
	file = 0;
	int descriptor = open(variable("FAULT_DISK"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (REAL(write)(descriptor, disk, disk_size) != disk_size)
		abort();
	close(descriptor);
	FILE *count = fopen(variable("FAULT_CALLS"), "w");
	fprintf(count, "%ld", calls);
	fclose(count);
	/* Nothing more of this process counts. */
	_exit(0);
}
