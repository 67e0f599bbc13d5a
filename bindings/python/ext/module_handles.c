// SPDX-License-Identifier: Apache-2.0
//
// The types of handles in the module.

#include "library.h"

// derived adds a type that has what Stream has.
static int derived(PyObject *module, PyType_Spec *spec, PyTypeObject **out)
{
	PyObject *bases = PyTuple_Pack(1, (PyObject *)handles.stream), *type;

	if (bases == NULL)
		return -1;
	type = PyType_FromSpecWithBases(spec, bases);
	Py_DECREF(bases);
	if (type == NULL)
		return -1;
	*out = (PyTypeObject *)type;
	Py_INCREF(type);
	if (PyModule_AddObject(module, strrchr(spec->name, '.') + 1, type) < 0) {
		Py_DECREF(type);
		return -1;
	}
	return 0;
}

int handles_init(PyObject *module)
{
	if (add_type(module, &endpoint_spec, &handles.endpoint) < 0 || add_type(module, &call_spec, &handles.call) < 0 ||
	    add_type(module, &stream_spec, &handles.stream) < 0 || derived(module, &subscriber_spec, &handles.subscriber) < 0 ||
	    derived(module, &status_spec, &handles.status) < 0 || add_type(module, &publisher_spec, &handles.publisher) < 0 ||
	    add_type(module, &store_spec, &handles.store) < 0)
		return -1;
	return PyObject_SetAttrString((PyObject *)handles.subscriber, "_immutable", Py_False);
}
