// Asks the processor, from code compiled for the baseline, which variants of the core it can run.
#define PY_SSIZE_T_CLEAN
#include <Python.h>

static PyObject* supported(PyObject* self, PyObject* unused) {
  (void)self;
  (void)unused;
#if defined(__x86_64__) && defined(__GNUC__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
      return Py_BuildValue("(sss)", "avx512", "avx2", "baseline");
    return Py_BuildValue("(ss)", "avx2", "baseline");
  }
#endif
  return Py_BuildValue("(s)", "baseline");
}

static PyMethodDef methods[] = {
    {"supported", supported, METH_NOARGS, "Names of the variants that can run here, best first."},
    {NULL, NULL, 0, NULL}};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "_isa", NULL, 0, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__isa(void) {
  return PyModule_Create(&module);
}
