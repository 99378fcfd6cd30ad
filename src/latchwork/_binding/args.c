/* Reading arguments without a tuple or a dict: for what is called often. */
#include "binding.h"

bool parse_acquire(PyObject *const *args, Py_ssize_t count, PyObject *names, int64_t *deadline_ns) {
    PyObject *block = count > 0 ? args[0] : NULL;
    PyObject *timeout = count > 1 ? args[1] : NULL;
    bool threading = false;
    if (count > 2) {
        PyErr_Format(PyExc_TypeError, "acquire() takes at most 2 arguments (%zd given)", count);
        return false;
    }
    Py_ssize_t named = names ? PyTuple_Size(names) : 0;
    for (Py_ssize_t i = 0; i < named; i++) {
        PyObject *name = PyTuple_GetItem(names, i);
        PyObject **target = NULL;
        if (PyUnicode_CompareWithASCIIString(name, "timeout") == 0) {
            target = &timeout;
        } else if (PyUnicode_CompareWithASCIIString(name, "block") == 0) {
            target = &block;
        } else if (PyUnicode_CompareWithASCIIString(name, "blocking") == 0) {
            target = &block;
            threading = true;
        } else {
            PyErr_Format(PyExc_TypeError, "acquire() got an unexpected keyword argument '%U'", name);
            return false;
        }
        if (*target) {
            PyErr_Format(PyExc_TypeError, "acquire() got multiple values for argument '%U'", name);
            return false;
        }
        *target = args[count + i];
    }
    int blocks = block ? PyObject_IsTrue(block) : 1;
    if (blocks < 0 || !deadline_of(timeout ? timeout : Py_None, deadline_ns)) return false;
    if (threading && timeout && timeout != Py_None) {
        double seconds = PyFloat_AsDouble(timeout);
        if (seconds == -1.0) {
            *deadline_ns = LW_FOREVER;
        } else if (!blocks) {
            PyErr_SetString(PyExc_ValueError, "can't specify a timeout for a non-blocking call");
            return false;
        } else if (seconds < 0) {
            PyErr_SetString(PyExc_ValueError, "timeout value must be a non-negative number");
            return false;
        }
    }
    if (!blocks) *deadline_ns = 0;
    return true;
}

PyObject *parse_one(PyObject *const *args, Py_ssize_t count, PyObject *names, const char *function,
                    const char *name, PyObject *otherwise) {
    Py_ssize_t named = names ? PyTuple_Size(names) : 0;
    if (count + named > 1) {
        PyErr_Format(PyExc_TypeError, "%s() takes at most 1 argument (%zd given)", function, count + named);
        return NULL;
    }
    if (named) {
        PyObject *given = PyTuple_GetItem(names, 0);
        if (PyUnicode_CompareWithASCIIString(given, name) != 0) {
            PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument '%U'", function, given);
            return NULL;
        }
    }
    return count + named ? args[0] : otherwise;
}

uint32_t parse_count(PyObject *number) {
    long long count = PyLong_AsLongLong(number);
    if (count == -1 && PyErr_Occurred()) return 0;
    if (count < 1 || count > INT32_MAX) {
        PyErr_Format(PyExc_ValueError, "n must be one or more, and less than 2**31, not %lld", count);
        return 0;
    }
    return (uint32_t)count;
}
