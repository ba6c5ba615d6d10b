// Tells which variants of the core this processor can run. Compiled for the baseline.
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "descrambler/cpu.h"

static PyObject* supported(PyObject* self, PyObject* unused) {
  (void)self;
  (void)unused;
  switch (descrambler_cpu_level()) {
    case DESCRAMBLER_CPU_AVX512:
      return Py_BuildValue("(sss)", "avx512", "avx2", "baseline");
    case DESCRAMBLER_CPU_AVX2:
      return Py_BuildValue("(ss)", "avx2", "baseline");
    default:
      return Py_BuildValue("(s)", "baseline");
  }
}

static PyMethodDef methods[] = {
    {"supported", supported, METH_NOARGS, "Names of the variants that can run here, best first."},
    {NULL, NULL, 0, NULL}};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "_isa", NULL, 0, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__isa(void) {
  return PyModule_Create(&module);
}
