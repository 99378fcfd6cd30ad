#define _GNU_SOURCE
#include "lw_journal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096u
#define TEXTS (256u << 10)
#define THREADS 512u
#define PRIMITIVES 2048u
#define SITES 2048u
#define ROWS 4096u
/* Events get their memory in pieces: on a tmpfs an unused one costs nobody anything. */
#define PIECE (256u << 10)

static uint32_t place(struct lw_section *section, uint32_t offset, size_t stride, uint32_t capacity) {
    section->offset = offset;
    section->stride = (uint32_t)stride;
    section->capacity = capacity;
    uint64_t end = offset + (uint64_t)stride * capacity;
    return (uint32_t)((end + PAGE - 1) / PAGE * PAGE);
}

static int64_t now_ns(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * 1000000000ll + now.tv_nsec;
}

/* Reserved before it is touched: on a full file system that would be SIGBUS. */
static bool reserve(struct lw_journal *journal, size_t offset, size_t length) {
    struct stat found;
    if (fstat(journal->fd, &found) < 0 || found.st_dev != journal->device || found.st_ino != journal->inode) return false;
    int error;
    while ((error = posix_fallocate(journal->fd, (off_t)offset, (off_t)length)) == EINTR)
        ;
    errno = error;
    return error == 0;
}

bool lw_journal_open(struct lw_journal *journal, int fd, uint32_t events) {
    struct lw_journal_header header = {.magic = 0, .version = LW_JOURNAL_VERSION, .header_size = sizeof header};
    uint32_t end = place(&header.threads, PAGE, sizeof *journal->threads, THREADS);
    end = place(&header.primitives, end, sizeof *journal->primitives, PRIMITIVES);
    end = place(&header.sites, end, sizeof *journal->sites, SITES);
    end = place(&header.rows, end, sizeof *journal->rows, ROWS);
    end = place(&header.texts, end, 1, TEXTS);
    size_t fixed = end;
    place(&header.events, end, sizeof *journal->events, events);
    struct stat found;
    if (fstat(fd, &found) < 0) return false;
    *journal = (struct lw_journal){.fd = fd, .device = found.st_dev, .inode = found.st_ino};
    journal->mapped = fixed + ((size_t)events * sizeof *journal->events + PIECE - 1) / PIECE * PIECE;
    if (!reserve(journal, 0, fixed)) return false;
    char *base = mmap(NULL, journal->mapped, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (base == MAP_FAILED) return false;
    /* Record 0 of each stands for all that find no room. */
    header.threads.used = header.primitives.used = header.sites.used = header.rows.used = 1;
    header.pid = (uint32_t)getpid();
    header.parent = (uint32_t)getppid();
    header.began_ns = now_ns(CLOCK_MONOTONIC);
    header.began_at_ns = now_ns(CLOCK_REALTIME);
    journal->header = (struct lw_journal_header *)base;
    memcpy(base, &header, sizeof header);
    journal->threads = (struct lw_journal_thread *)(base + header.threads.offset);
    journal->primitives = (struct lw_journal_primitive *)(base + header.primitives.offset);
    journal->sites = (struct lw_journal_site *)(base + header.sites.offset);
    journal->rows = (struct lw_journal_row *)(base + header.rows.offset);
    journal->texts = base + header.texts.offset;
    journal->events = (struct lw_event *)(base + header.events.offset);
    /* Last: a file without it was never whole. */
    atomic_thread_fence(memory_order_release);
    *(volatile uint64_t *)&journal->header->magic = LW_JOURNAL_MAGIC;
    return true;
}

void lw_journal_close(struct lw_journal *journal, bool ended) {
    if (!journal->header) return;
    if (ended) atomic_store(&journal->header->ended_ns, now_ns(CLOCK_MONOTONIC));
    munmap(journal->header, journal->mapped);
    struct stat found;
    bool ours = fstat(journal->fd, &found) == 0 && found.st_dev == journal->device && found.st_ino == journal->inode;
    if (ours) close(journal->fd);
    *journal = (struct lw_journal){.fd = -1};
}

bool lw_journal_grow(struct lw_journal *journal) {
    const struct lw_section *section = &journal->header->events;
    if (journal->full || journal->room == section->capacity) return false;
    size_t done = (size_t)journal->room * section->stride;
    /* Asked once: two system calls for each event that is dropped would be worse than to drop it. */
    journal->full = !reserve(journal, section->offset + done, PIECE);
    if (journal->full) return false;
    uint32_t room = (uint32_t)((done + PIECE) / section->stride);
    journal->room = room < section->capacity ? room : section->capacity;
    return true;
}

struct lw_text lw_journal_text(struct lw_journal *journal, const char *text, size_t length) {
    struct lw_section *section = &journal->header->texts;
    uint32_t used = lw_load_relaxed(&section->used);
    if (length > section->capacity - used) return (struct lw_text){0, 0};
    memcpy(journal->texts + used, text, length);
    lw_store_rel(&section->used, used + (uint32_t)length);
    return (struct lw_text){used, (uint32_t)length};
}

static uint32_t add(struct lw_section *section, void *records, const void *record) {
    uint32_t used = lw_load_relaxed(&section->used);
    if (used == section->capacity) return 0;
    memcpy((char *)records + (size_t)used * section->stride, record, section->stride);
    lw_store_rel(&section->used, used + 1);
    return used;
}

uint32_t lw_journal_add_thread(struct lw_journal *journal, uint32_t tid, struct lw_text name) {
    struct lw_journal_thread thread = {.tid = tid, .name = name};
    return add(&journal->header->threads, journal->threads, &thread);
}

uint32_t lw_journal_add_primitive(struct lw_journal *journal, const struct lw_journal_primitive *primitive) {
    return add(&journal->header->primitives, journal->primitives, primitive);
}

uint32_t lw_journal_add_site(struct lw_journal *journal, struct lw_text file, struct lw_text function, uint32_t line) {
    struct lw_journal_site site = {.file = file, .function = function, .line = line};
    return add(&journal->header->sites, journal->sites, &site);
}

uint32_t lw_journal_add_row(struct lw_journal *journal, uint32_t primitive, uint32_t site, enum lw_mode mode) {
    struct lw_journal_row row = {.primitive = primitive, .site = site, .mode = mode};
    return add(&journal->header->rows, journal->rows, &row);
}
