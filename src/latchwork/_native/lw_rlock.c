#define _GNU_SOURCE
#include "lw_rlock.h"

#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

_Thread_local uint32_t lw_this_thread;

/* The thread that forks is another one in the child. */
static void forget(void) { lw_this_thread = 0; }

static void watch_forks(void) { pthread_atfork(NULL, NULL, forget); }

uint32_t lw_ask_thread_id(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
    return lw_this_thread = (uint32_t)syscall(SYS_gettid);
}
