/* RLIMIT_NOFILE and RLIMIT_CORE.  Descriptors that can wait are counted, not looked up: of
 * those that must be kept it is not known how many are in use. */
#include "ulimit.h"

#include <stdint.h>
#include <sys/resource.h>

enum {
	OF_PORTER = 20, /* standard ones, log, loop, watches, what others ask by, a child's pipes */
	OF_CLUSTER = 4, /* requests at once (API_CALLS) */
	OF_FORWARD = 5, /* two addresses, the name that others know it by, a tunnel, a watch */
	WAITING = 8,    /* what can wait: at least so many, for all forwards */
};

static struct {
	size_t most, taken; /* of what can wait */
} U = {.most = SIZE_MAX};

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

static size_t limit(void)
{
	struct rlimit r;
	bool known = !getrlimit(RLIMIT_NOFILE, &r) && r.rlim_cur < SIZE_MAX;
	return known ? (size_t)r.rlim_cur : SIZE_MAX;
}

static size_t kept_for(size_t clusters, size_t forwards)
{
	return OF_PORTER + OF_CLUSTER * clusters + OF_FORWARD * forwards;
}

bool ulimit_allow(size_t clusters, size_t forwards, struct buf *errors)
{
	size_t needed = kept_for(clusters, forwards) + WAITING;
	if (limit() >= needed)
		return true;
	buf_print(errors,
		"%zu forwards need %zu file descriptors, and there may be %zu (ulimit -n)\n"
		"  raise the limit with 'ulimit -n %zu' or more, or name fewer forwards\n",
		forwards, needed, limit(), needed);
	return false;
}

void ulimit_reserve(size_t clusters, size_t forwards)
{
	size_t kept = kept_for(clusters, forwards);
	U.most = limit() > kept ? limit() - kept : 0;
}

size_t ulimit_left(void)
{
	return U.taken < U.most ? U.most - U.taken : 0;
}

bool ulimit_is_plenty(void)
{
	return ulimit_left() > U.most / 2;
}

void ulimit_take(void)
{
	U.taken++;
}

void ulimit_give(void)
{
	U.taken--;
}
