/* RLIMIT_NOFILE and RLIMIT_CORE. */
#include "ulimit.h"

#include <sys/resource.h>

enum {
	OF_PORTER = 20, /* standard ones, log, loop, watches, what others ask by, a child's pipes */
	OF_CLUSTER = 2, /* kept connections */
	OF_FORWARD = 4, /* two addresses, the name that others know it by, a tunnel */
	OF_CONNECTIONS = 8, /* local ones: of all forwards, and their tunnels */
};

/* A limit of one byte stops core dumps that go to a program, too (core(5)). */
void ulimit_set(void)
{
	struct rlimit r;
	if (!getrlimit(RLIMIT_NOFILE, &r)) {
		r.rlim_cur = r.rlim_max;
		setrlimit(RLIMIT_NOFILE, &r);
	}
	if (!getrlimit(RLIMIT_CORE, &r)) {
		r.rlim_cur = r.rlim_max < 1 ? r.rlim_max : 1;
		setrlimit(RLIMIT_CORE, &r);
	}
}

bool ulimit_allow(size_t clusters, size_t forwards, struct buf *errors)
{
	size_t needed = OF_PORTER + OF_CLUSTER * clusters + OF_FORWARD * forwards + OF_CONNECTIONS;
	struct rlimit r;
	if (getrlimit(RLIMIT_NOFILE, &r) || r.rlim_cur == RLIM_INFINITY || r.rlim_cur >= needed)
		return true;
	buf_print(errors,
		"%zu forwards need %zu file descriptors, and there may be %llu (ulimit -n)\n"
		"  raise the limit with 'ulimit -n %zu' or more, or name fewer forwards\n",
		forwards, needed, (unsigned long long)r.rlim_cur, needed);
	return false;
}
