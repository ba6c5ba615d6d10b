// Asks the processor, from code compiled for the baseline, which variant of the core it can run.
#define PY_SSIZE_T_CLEAN
#include <Python.h>

static PyObject* supports_avx2(PyObject* self, PyObject* unused) {
  (void)self;
  (void)unused;
#if defined(__x86_64__) && defined(__GNUC__)
  __builtin_cpu_init();
  return PyBool_FromLong(__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"));
#else
  return PyBool_FromLong(0);
#endif
}

static PyMethodDef methods[] = {
    {"supports_avx2", supports_avx2, METH_NOARGS, "Whether the processor has AVX2 and FMA."},
    {NULL, NULL, 0, NULL}};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, "_isa", NULL, 0, methods, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__isa(void) {
  return PyModule_Create(&module);
}
