#define _GNU_SOURCE
#include "lw_crash.h"

#ifdef LW_CRASH_POINTS

#include <signal.h>
#include <string.h>
#include <unistd.h>

static const char *const names[] = {
#define LW_CRASH_NAME(name) #name,
    LW_CRASH_LIST(LW_CRASH_NAME)
#undef LW_CRASH_NAME
};

static int armed = -1;
static int to_skip;

const char *lw_crash_name(int point) {
    return point >= 0 && point < LW_CRASH_COUNT ? names[point] : 0;
}

int lw_crash_arm(const char *name, int skip) {
    armed = -1;
    for (int i = 0; i < LW_CRASH_COUNT; i++) {
        if (strcmp(names[i], name) == 0) {
            to_skip = skip;
            armed = i;
            return 1;
        }
    }
    return 0;
}

void lw_crash_here(enum lw_crash_point point) {
    if ((int)point != armed || to_skip-- > 0) return;
    armed = -1;
    /* Not raise(): that signals the thread, and it is the whole process that must stand still. */
    kill(getpid(), SIGSTOP);
}

#else
typedef int lw_crash_points_are_off;
#endif
