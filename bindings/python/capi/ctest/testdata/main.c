/* SPDX-License-Identifier: Apache-2.0
 * ctest LIBRARY PART: one part of the test of libbrokermesh.so, opened as an extension module would. */
#include "ctest.h"

#include <dlfcn.h>
#include <signal.h>

static const struct {
	const char *name;
	void (*f)(void);
} parts[] = {
	{"arguments", test_arguments}, {"messages", test_messages}, {"statuses", test_statuses}, {"publisher", test_publisher},
	{"stores", test_stores}, {"clones", test_clones}, {"streams", test_streams}, {"endings", test_endings}, {"threads", test_threads},
	{"descriptors", test_descriptors}, {"memory", test_memory}, {"bench", bench},
};

static volatile sig_atomic_t interrupts;
static void on_interrupt(int s) {
	(void)s;
	interrupts++;
}

/* What a program has said about signals stays when the library comes and works. */
static const int kept[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGCHLD, SIGALRM};
static struct sigaction before[sizeof kept / sizeof *kept];

static void remember_signals(void) {
	struct sigaction a = {.sa_handler = on_interrupt};
	sigaction(SIGINT, &a, NULL);
	a.sa_handler = SIG_IGN;
	sigaction(SIGHUP, &a, NULL);
	for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) sigaction(kept[i], NULL, &before[i]);
}

static void check_signals(void) {
	for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
		struct sigaction now;
		sigaction(kept[i], NULL, &now);
		if (now.sa_handler != before[i].sa_handler) fail(__FILE__, __LINE__, "the handler of signal %d has changed", kept[i]);
	}
	int had = interrupts;
	raise(SIGINT);
	EQ(interrupts, had + 1);
}

int main(int argc, char **argv) {
	if (argc != 3) fail(__FILE__, __LINE__, "usage: ctest LIBRARY PART");
	remember_signals();
	void *lib = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
	if (!lib) fail(__FILE__, __LINE__, "%s", dlerror());
#define X(f) \
	*(void **)&L.f = dlsym(lib, #f); \
	if (!L.f) fail(__FILE__, __LINE__, "%s is missing", #f);
	FUNCTIONS(X)
#undef X
	EQ(L.bm_abi(), BM_ABI);
	check_signals();
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
		if (strcmp(parts[i].name, argv[2]) == 0) {
			parts[i].f();
			check_signals();
			return 0;
		}
	}
	fail(__FILE__, __LINE__, "no part %s", argv[2]);
}
