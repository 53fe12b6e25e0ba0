/* The clock of one part, moved by as many seconds as a file says: for LD_PRELOAD, by benchmarks.chaos.
 *
 * Only the time of day is moved. libfaketime also touches sleeping by the monotonic clock, after which
 * Python's time.sleep fails. The file is looked at a few times a second. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static int (*real)(clockid_t, struct timespec *);

static long moved(void) {
    static volatile long seconds, looked_at;
    struct timespec now;
    real(CLOCK_MONOTONIC, &now);
    long tick = now.tv_sec * 5 + now.tv_nsec / 200000000;
    if (tick != looked_at) {
        char text[16] = "";
        const char *path = getenv("CHAOS_CLOCK");
        int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
        if (file >= 0) {
            if (read(file, text, sizeof text - 1) > 0) seconds = atol(text);
            close(file);
        }
        looked_at = tick;
    }
    return seconds;
}

int clock_gettime(clockid_t clock, struct timespec *told) {
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int code = real(clock, told);
    if (!code && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) told->tv_sec += moved();
    return code;
}

int gettimeofday(struct timeval *restrict told, void *restrict zone) {
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    told->tv_sec = now.tv_sec;
    told->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *told) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (told) *told = now.tv_sec;
    return now.tv_sec;
}
