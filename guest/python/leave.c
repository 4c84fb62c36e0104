/* Ends a Python process as soon as everything it owes its program is done.
 *
 * Finalisation runs exit functions, joins threads, flushes streams and destroys the program's objects; then it returns
 * memory to a C library that is about to return it to the kernel. That last part writes to most of the pages that a fork
 * shares: 2 ms of copying. So when the exit status is already known, the process ends between the two: in the destructor
 * of a value in the interpreter's own dictionary, which is among the last things cleared. The C library's exit
 * functions and destructors still run.
 *
 * The status is known when the program's own module ended by itself or by SystemExit with a number; whatever else
 * happens takes CPython's whole way. The module's frame is met through PEP 523's hook, which is taken out again before
 * it runs, so the program is evaluated as ever. What is used of CPython beyond its public interface is checked when the
 * zygote warms up (cloche_leave_checked); where it differs, nothing is armed.
 *
 * Declared by hand instead of by Python.h, so that building needs no development package. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

typedef struct object PyObject;
typedef struct thread_state PyThreadState;
typedef struct interpreter_state PyInterpreterState;
typedef PyObject *(*frame_evaluator)(PyThreadState *, void **frame, int throwing);

extern PyObject *PyExc_SystemExit;
extern PyInterpreterState *PyInterpreterState_Get(void);
extern PyObject *PyInterpreterState_GetDict(PyInterpreterState *);
extern PyObject *PyCapsule_New(void *, const char *, void (*)(PyObject *));
extern int PyDict_SetItemString(PyObject *, const char *, PyObject *);
extern int PyErr_ExceptionMatches(PyObject *);
extern void PyErr_Fetch(PyObject **, PyObject **, PyObject **);
extern void PyErr_NormalizeException(PyObject **, PyObject **, PyObject **);
extern void PyErr_Restore(PyObject *, PyObject *, PyObject *);
extern void PyErr_Clear(void);
extern PyObject *PyObject_GetAttrString(PyObject *, const char *);
extern long PyLong_AsLong(PyObject *);
extern unsigned long PyType_GetFlags(PyObject *);
extern PyObject *PyObject_Type(PyObject *);
extern PyObject _Py_NoneStruct;
extern void Py_DecRef(PyObject *);
extern void _PyInterpreterState_SetEvalFrameFunc(PyInterpreterState *, frame_evaluator);
extern PyObject *_PyEval_EvalFrameDefault(PyThreadState *, void **, int);

/* Where a frame of Python 3.11 keeps these, in pointers. */
enum { FRAME_GLOBALS = 1, FRAME_LOCALS = 3, FRAME_CODE = 4 };
#define TYPE_IS_INT (1ul << 24)
#define UNKNOWN (-1)

static void *main_namespace;
static int status = UNKNOWN;
static bool disarmed;
static void *checked_namespace;
static void *checked_code;
static bool checked;

int cloche_leave_arm(void *namespace);
void cloche_leave_disarm(void);
void cloche_leave_watch(void *namespace, void *code);
int cloche_leave_checked(void);

static void set_evaluator(frame_evaluator evaluator)
{
    _PyInterpreterState_SetEvalFrameFunc(PyInterpreterState_Get(), evaluator);
}

/* As handle_system_exit of CPython's pythonrun.c reads it, where that prints nothing. A subclass may do anything when it
 * is asked for its code, so it is asked once only, by CPython. */
static int status_of_system_exit(void)
{
    PyObject *type, *value, *traceback;
    int result = UNKNOWN;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    PyObject *code = value && type == PyExc_SystemExit ? PyObject_GetAttrString(value, "code") : NULL;
    if (code == &_Py_NoneStruct) {
        result = 0;
    } else if (code) {
        PyObject *kind = PyObject_Type(code);
        if (PyType_GetFlags(kind) & TYPE_IS_INT)
            result = (int)PyLong_AsLong(code) & 0xff;
        Py_DecRef(kind);
    }
    if (code)
        Py_DecRef(code);
    PyErr_Clear();
    PyErr_Restore(type, value, traceback);
    return result;
}

static bool is_module_of(void **frame, void *namespace)
{
    return frame[FRAME_GLOBALS] == namespace && frame[FRAME_LOCALS] == namespace;
}

static PyObject *evaluate(PyThreadState *thread, void **frame, int throwing)
{
    if (!is_module_of(frame, main_namespace))
        return _PyEval_EvalFrameDefault(thread, frame, throwing);
    set_evaluator(_PyEval_EvalFrameDefault);
    PyObject *result = _PyEval_EvalFrameDefault(thread, frame, throwing);
    if (result)
        status = 0;
    else if (PyErr_ExceptionMatches(PyExc_SystemExit))
        status = status_of_system_exit();
    return result;
}

static void leave(PyObject *capsule)
{
    (void)capsule;
    if (status != UNKNOWN && !disarmed && !getenv("PYTHONINSPECT"))
        exit(status);
}

int cloche_leave_arm(void *namespace)
{
    PyObject *own = PyInterpreterState_GetDict(PyInterpreterState_Get());
    PyObject *last = PyCapsule_New(&status, "cloche.leave", leave);
    if (!own || !last || PyDict_SetItemString(own, "cloche.leave", last))
        return -1;
    Py_DecRef(last);
    main_namespace = namespace;
    set_evaluator(evaluate);
    return 0;
}

/* The streams could not be flushed: CPython will say so, and has a status of its own for it. */
void cloche_leave_disarm(void)
{
    disarmed = true;
}

/* ---- does this interpreter lay out its frames as expected: watch, run the code in the namespace, ask ---- */

static PyObject *check(PyThreadState *thread, void **frame, int throwing)
{
    if (is_module_of(frame, checked_namespace) && frame[FRAME_CODE] == checked_code)
        checked = true;
    return _PyEval_EvalFrameDefault(thread, frame, throwing);
}

void cloche_leave_watch(void *namespace, void *code)
{
    checked_namespace = namespace;
    checked_code = code;
    set_evaluator(check);
}

int cloche_leave_checked(void)
{
    set_evaluator(_PyEval_EvalFrameDefault);
    return checked;
}
