/* For tests where descriptors are short: as many are left as they say. */
#pragma once
#include <sys/resource.h>

#include "ulimit.h"

static inline void descriptors_may_be(rlim_t n)
{
	struct rlimit r;
	getrlimit(RLIMIT_NOFILE, &r);
	r.rlim_cur = n;
	setrlimit(RLIMIT_NOFILE, &r);
}

/* Of those that can wait, up to some hundred. */
static inline void descriptors_left(size_t n)
{
	descriptors_may_be(1000);
	ulimit_reserve(0, 0);
	while (ulimit_left() > n)
		ulimit_take();
	while (ulimit_left() < n)
		ulimit_give();
}
