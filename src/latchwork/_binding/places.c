/* Primitives and the lines of Python that use them: known by a look into a table, once they have been met. */
#include <string.h>

#include "../_native/lw_name.h"
#include "recorder.h"

/* Where that key stands, or would. */
static inline struct entry *find(const struct key *key) {
    uint64_t hash = (uint64_t)key->what ^ (uint64_t)key->code << 7 ^ (uint64_t)key->generation << 40 ^ key->instruction;
    hash *= 0x9e3779b97f4a7c15ull;
    for (uint32_t at = (uint32_t)(hash >> 40) % ENTRIES;; at = (at + 1) % ENTRIES) {
        struct entry *entry = &recorder.entries[at];
        if (!entry->index) return entry;
        if (entry->key.what == key->what && entry->key.code == key->code && entry->key.generation == key->generation &&
            entry->key.instruction == key->instruction)
            return entry;
    }
}

static void keep(const struct key *key, uint32_t index) {
    if (recorder.entries_used == FULL) return;
    struct entry *entry = find(key);
    if (!entry->index && !key->what) Py_INCREF((PyObject *)key->code);
    recorder.entries_used += !entry->index;
    *entry = (struct entry){*key, index + 1};
}

static bool is_internal(PyObject *code) {
    PyObject *file = PyObject_GetAttrString(code, "co_filename");
    const char *text = file ? PyUnicode_AsUTF8AndSize(file, NULL) : NULL;
    bool is = text && strncmp(text, recorder.package, recorder.package_length) == 0;
    Py_XDECREF(file);
    PyErr_Clear();
    return is;
}

static uint32_t new_site(PyObject *frame, PyObject *code) {
    PyObject *file = PyObject_GetAttrString(code, "co_filename");
    PyObject *function = PyObject_GetAttrString(code, "co_qualname");
    PyErr_Clear();
    struct lw_text texts[] = {text_of(file), text_of(function)};
    Py_XDECREF(file);
    Py_XDECREF(function);
    return lw_journal_add_site(&recorder.journal, texts[0], texts[1], (uint32_t)PyFrame_GetLineNumber((PyFrameObject *)frame));
}

static uint32_t site_of(PyObject *frame, PyObject *code, uint32_t instruction) {
    struct key key = {.what = 0, .code = (uintptr_t)code, .instruction = instruction};
    const struct entry *entry = find(&key);
    if (entry->index) return entry->index - 1;
    if (is_internal(code)) {
        keep(&key, INTERNAL);
        return INTERNAL;
    }
    uint32_t site = new_site(frame, code);
    keep(&key, site);
    return site;
}

static uint32_t new_primitive(PyObject *object) {
    const Handle *handle = (Handle *)object;
    struct lw_journal_primitive primitive = {.slot = lw_slot_index(handle->arena, handle->slot),
                                             .generation = handle->generation};
    memcpy(primitive.arena, handle->arena->header->uuid, sizeof primitive.arena);
    PyObject *kind = PyObject_GetAttrString(object, "kind");
    PyErr_Clear();
    char text[LW_NAME_BYTES_MAX];
    enter(handle->arena);
    uint32_t name = lw_load_relaxed(&handle->slot->state) ? handle->slot->name : LW_NO_SLOT, length = 0;
    if (name != LW_NO_SLOT && !handle_is_gone(handle)) length = lw_name_text(handle->arena, name, text, sizeof text);
    lw_arena_unlock(handle->arena);
    if (!recorder.journal.header) {
        Py_XDECREF(kind);
        return 0;
    }
    primitive.kind = text_of(kind);
    Py_XDECREF(kind);
    primitive.name = lw_journal_text(&recorder.journal, text, length);
    primitive.named = (handle->arena->header->flags & LW_PERSISTENT) != 0;
    return lw_journal_add_primitive(&recorder.journal, &primitive);
}

uint32_t primitive_of(PyObject *object, bool make) {
    const Handle *handle = (Handle *)object;
    struct key key = {.what = (uintptr_t)handle->slot, .generation = handle->generation, .instruction = UINT32_MAX};
    const struct entry *entry = find(&key);
    if (entry->index) return entry->index - 1;
    if (!make) return 0;
    uint32_t primitive = new_primitive(object);
    if (!recorder.journal.header) return 0;
    /* Another thread may have been faster, while this one waited for the arena. */
    entry = find(&key);
    if (entry->index) return entry->index - 1;
    keep(&key, primitive);
    return primitive;
}

uint32_t find_row(PyObject *object, enum lw_mode mode, PyObject *frame) {
    const Handle *handle = (Handle *)object;
    if (!frame) frame = (PyObject *)PyEval_GetFrame();
    Py_XINCREF(frame);
    uint32_t row = 0;
    while (frame && frame != Py_None) {
        PyObject *code = (PyObject *)PyFrame_GetCode((PyFrameObject *)frame);
        PyObject *lasti = PyObject_GetAttr(frame, recorder.lasti);
        uint32_t instruction = lasti ? (uint32_t)PyLong_AsLong(lasti) << 3 : 0;
        Py_XDECREF(lasti);
        struct key key = {(uintptr_t)handle->slot, (uintptr_t)code, handle->generation, instruction | mode};
        const struct entry *entry = find(&key);
        uint32_t site = 0;
        if (entry->index) {
            row = entry->index - 1;
        } else if ((site = site_of(frame, code, instruction)) != INTERNAL) {
            uint32_t primitive = primitive_of(object, true);
            if (recorder.journal.header) {
                row = lw_journal_add_row(&recorder.journal, primitive, site, mode);
                keep(&key, row);
            }
        }
        Py_DECREF(code);
        if (site != INTERNAL || !recorder.journal.header) break;
        PyObject *outer = PyObject_GetAttr(frame, recorder.back);
        Py_DECREF(frame);
        frame = outer;
    }
    Py_XDECREF(frame);
    return row;
}
