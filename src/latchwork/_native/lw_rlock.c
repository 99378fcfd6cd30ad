#define _GNU_SOURCE
#include "lw_rlock.h"

#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

static _Thread_local uint32_t thread_id;

/* The thread that forks is another one in the child. */
static void forget(void) { thread_id = 0; }

static void watch_forks(void) { pthread_atfork(NULL, NULL, forget); }

static uint32_t ask(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
    return thread_id = (uint32_t)syscall(SYS_gettid);
}

uint32_t lw_thread_id(void) { return thread_id ? thread_id : ask(); }
