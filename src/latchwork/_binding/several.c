#include "../_native/lw_several.h"

#include <errno.h>
#include <stdlib.h>

#include "binding.h"

bool read_several(PyObject *handles, struct lw_several *several) {
    several->count = (unsigned)PyList_Size(handles);
    several->items = calloc(several->count ? several->count : 1, sizeof *several->items);
    if (!several->items) return PyErr_NoMemory() != NULL;
    for (unsigned i = 0; i < several->count; i++) {
        PyObject *object = PyList_GetItem(handles, (Py_ssize_t)i);
        if (!is_handle(object)) {
            PyErr_SetString(PyExc_TypeError, "a primitive is wanted");
            return false;
        }
        Handle *handle = (Handle *)object;
        if (handle_is_gone(handle)) return raise_gone() != NULL;
        if (!ensure_member(handle->arena)) return false;
        several->items[i].arena = handle->arena;
        several->items[i].slot = handle->slot;
    }
    return true;
}

static bool read_files(PyObject *files, struct lw_several *several) {
    several->files_count = (unsigned)PyList_Size(files);
    several->files = calloc(several->files_count ? several->files_count : 1, sizeof *several->files);
    if (!several->files) return PyErr_NoMemory() != NULL;
    for (unsigned i = 0; i < several->files_count; i++) {
        long fd = PyLong_AsLong(PyList_GetItem(files, (Py_ssize_t)i));
        if (fd == -1 && PyErr_Occurred()) return false;
        several->files[i] = (struct pollfd){.fd = (int)fd, .events = POLLIN};
    }
    return true;
}

PyObject *readiness(struct lw_several *several) {
    PyObject *list = PyList_New(0);
    for (unsigned i = 0; list && i < several->count + several->files_count; i++) {
        bool ready = i < several->count ? several->items[i].ready : several->files[i - several->count].revents != 0;
        PyObject *flag = ready ? Py_True : Py_False;
        if (PyList_Append(list, flag) < 0) Py_CLEAR(list);
    }
    return list;
}

static bool has_bad_file(const struct lw_several *several) {
    for (unsigned i = 0; i < several->files_count; i++)
        if (several->files[i].revents & POLLNVAL) return true;
    return false;
}

/* False: an exception is set. */
static bool sleep_on(struct lw_several *several) {
    struct lw_waiting waiting;
    enum lw_several_end end;
    lw_waiting_begin(&waiting, NULL, NULL, LW_WANTS_EVENT, several->deadline_ns);
    do {
        PyThreadState *state = PyEval_SaveThread();
        end = lw_several_wait(several);
        PyEval_RestoreThread(state);
    } while (end == LW_SEVERAL_SIGNAL && several_go_on(&waiting, several));
    lw_several_hide(several);
    lw_waiting_end(&waiting);
    if (end == LW_SEVERAL_NO_ROOM) PyErr_NoMemory();
    return end == LW_SEVERAL_READY || end == LW_SEVERAL_TIMEOUT;
}

static PyObject *wait_for_any(struct lw_several *several) {
    lw_several_begin(several);
    if (!lw_several_look(several) && !sleep_on(several)) return NULL;
    if (has_bad_file(several)) {
        errno = EBADF;
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    return readiness(several);
}

static PyObject *wait_any(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *handles, *files, *timeout, *result = NULL;
    struct lw_several several = {.count = 0};
    if (!PyArg_ParseTuple(args, "O!O!O", &PyList_Type, &handles, &PyList_Type, &files, &timeout)) return NULL;
    if (!deadline_of(timeout, &several.deadline_ns)) return NULL;
    if (read_several(handles, &several) && read_files(files, &several)) result = wait_for_any(&several);
    free(several.items);
    free(several.files);
    return result;
}

PyMethodDef wait_any_definition = {
    "wait_any", wait_any, METH_VARARGS,
    PyDoc_STR("wait_any(handles, files, timeout, /)\n--\n\nWait until one is ready; which are, in that order.")};
