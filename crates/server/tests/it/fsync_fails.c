/* Put before the server with LD_PRELOAD: fsync and fdatasync of a segment's files fail while a trigger file exists, or
   once if FSYNC_FAILS is "once" (the trigger is taken away then). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int fails(int fd) {
    const char *trigger = getenv("FSYNC_TRIGGER");
    const char *times = getenv("FSYNC_FAILS");
    char link[64], path[PATH_MAX];
    if (!trigger || access(trigger, F_OK) != 0) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    if (!strstr(path, "/segments/") || !strstr(path, ".sqlite")) return 0;
    if (times && strcmp(times, "once") == 0 && unlink(trigger) != 0) return 0;
    errno = EIO;
    return 1;
}

int fsync(int fd) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    return fails(fd) ? -1 : real(fd);
}

int fdatasync(int fd) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    return fails(fd) ? -1 : real(fd);
}
