/* What a wake-up of another process costs at the least: two processes, two futex words, no Python.
 *
 *     futex_pingpong ROUNDS CPU CPU
 *
 * Prints the nanoseconds of half a round trip: one FUTEX_WAKE till the other process runs. It does what
 * two Events would do, and no more: set mine, wake, wait for the other's, clear it. No spinning. */
#define _GNU_SOURCE
#include <limits.h>
#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WARM_UP 200

/* A cache line each, as the two words would have in an arena. */
struct side {
    _Alignas(64) _Atomic uint32_t word;
};

static void set(struct side *side) {
    atomic_store(&side->word, 1);
    syscall(SYS_futex, &side->word, FUTEX_WAKE, INT_MAX, NULL, NULL, 0);
}

static void wait_and_clear(struct side *side) {
    while (atomic_load(&side->word) == 0) syscall(SYS_futex, &side->word, FUTEX_WAIT, 0, NULL, NULL, 0);
    atomic_store(&side->word, 0);
}

static void pin(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set) != 0) perror("sched_setaffinity");
}

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void serve(struct side *sides, long rounds) {
    for (long i = 0; i < rounds; i++) {
        set(&sides[0]);
        wait_and_clear(&sides[1]);
    }
}

static void answer(struct side *sides, long rounds) {
    for (long i = 0; i < rounds; i++) {
        wait_and_clear(&sides[0]);
        set(&sides[1]);
    }
}

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    long rounds = atol(argv[1]);
    struct side *sides =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (rounds <= 0 || sides == MAP_FAILED) return 2;
    pid_t child = fork();
    if (child < 0) return 1;
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL); /* or it would wait for ever if the other one were killed */
        pin(atoi(argv[3]));
        answer(sides, WARM_UP + rounds);
        _exit(0);
    }
    pin(atoi(argv[2]));
    serve(sides, WARM_UP);
    int64_t start = now_ns();
    serve(sides, rounds);
    printf("%.1f\n", (double)(now_ns() - start) / (double)rounds / 2);
    return waitpid(child, NULL, 0) == child ? 0 : 1;
}
