/* A clock that a test can set: what is in the file CLOCK is added to the seconds of the system's clock. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *time)
{
    int result = syscall(SYS_clock_gettime, clock, time);
    const char *path = getenv("MIDGARD_TEST_CLOCK");
    if (result != 0 || clock != CLOCK_REALTIME || path == NULL)
        return result;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return result;
    char text[32] = {0};
    if (read(file, text, sizeof text - 1) > 0)
        time->tv_sec += atol(text);
    close(file);
    return result;
}
