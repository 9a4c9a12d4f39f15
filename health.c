/* One check at a time: a connection to our own port, then the probe. */
#include "health.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loop.h"
#include "mem.h"
#include "ulimit.h"

struct health {
	struct health_spec spec;
	void (*on)(void *owner);
	void *owner;
	bool on_duty;
	bool anew;                    /* what counts was found before a pause */
	struct timer next;            /* check */
	struct timer limit;           /* of the connection to our own port */
	struct io own;                /* that connection; its descriptor is only kept */
	struct sockaddr_storage from; /* its address */
	struct probe *probe;
	unsigned failures; /* in a row */
	struct err err;    /* of the last check */
	bool counts;       /* it does */
	char *said;        /* by a probe that was well; or NULL */
	int64_t checked_ms;
};

/* ---- results ---- */

static void end_own(struct health *h)
{
	static const struct linger Reset = {.l_onoff = 1}; /* nothing stays in TIME_WAIT */
	if (h->own.fd >= 0) {
		setsockopt(h->own.fd, SOL_SOCKET, SO_LINGER, &Reset, sizeof Reset);
		ulimit_give();
	}
	io_close(&h->own);
	timer_stop(&h->limit);
}

static void forget(struct health *h)
{
	h->err = (struct err){0};
	h->counts = h->anew = false;
	free(h->said);
	h->said = NULL;
}

/* A probe that fails once may have met a moment; the local port's word counts. */
static void conclude(struct health *h, const struct err *e, const char *said)
{
	bool before = h->counts, other = h->anew || strcmp(h->err.text, e->text);
	forget(h);
	h->failures = e->kind ? h->failures + 1 : 0;
	h->counts = e->kind == ERR_LOCAL || h->failures >= HEALTH_TRIES;
	h->err = *e;
	if (*said)
		h->said = mem_dup(said);
	if (!e->kind)
		h->checked_ms = loop_now();
	if (e->kind && !h->counts && h->spec.interval_ms > HEALTH_AGAIN_MS)
		timer_after(&h->next, HEALTH_AGAIN_MS);
	else
		timer_about(&h->next, h->spec.interval_ms);
	if (h->counts != before || (h->counts && other))
		h->on(h->owner);
}

static void fail(struct health *h, int error)
{
	struct err e = {0};
	err_set(&e, ERR_LOCAL, error, "local port %u does not answer: %s", h->spec.at.port,
		strerror(error));
	end_own(h);
	conclude(h, &e, "");
}

/* ---- a check ---- */

static void on_probe(void *owner, const struct err *e, const char *said)
{
	struct health *h = owner;
	h->probe = NULL;
	conclude(h, e, said);
}

static socklen_t address_of(const struct probe_target *at, struct sockaddr_storage *to)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(at->port)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(at->port)};
	*to = (struct sockaddr_storage){0};
	if (inet_pton(AF_INET, at->address, &v4.sin_addr) == 1) {
		memcpy(to, &v4, sizeof v4);
		return sizeof v4;
	}
	inet_pton(AF_INET6, at->address, &v6.sin6_addr);
	memcpy(to, &v6, sizeof v6);
	return sizeof v6;
}

/* Where descriptors are short those who connect wait, and nothing is known. */
static void check_later(struct health *h)
{
	int64_t ms = h->spec.interval_ms;
	timer_about(&h->next, ms < HEALTH_AGAIN_MS ? ms : HEALTH_AGAIN_MS);
}

/* The kernel connects at once; what is waited for is that we take it. */
static void check(struct timer *timer)
{
	struct health *h = OWNER_OF(timer, struct health, next);
	struct sockaddr_storage to;
	socklen_t n = address_of(&h->spec.at, &to), from_n = sizeof h->from;
	h->from = (struct sockaddr_storage){0};
	if (!ulimit_is_plenty()) {
		check_later(h);
		return;
	}
	h->own.fd = socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (h->own.fd >= 0)
		ulimit_take();
	if (h->own.fd < 0 ||
		(connect(h->own.fd, (struct sockaddr *)&to, n) && errno != EINPROGRESS) ||
		getsockname(h->own.fd, (struct sockaddr *)&h->from, &from_n))
		fail(h, errno);
	else
		timer_after(&h->limit, HEALTH_LIMIT_MS);
}

static void on_limit(struct timer *timer)
{
	struct health *h = OWNER_OF(timer, struct health, limit);
	if (ulimit_is_plenty()) {
		fail(h, ETIMEDOUT);
	} else {
		end_own(h);
		check_later(h);
	}
}

static bool is_same_port(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	const struct sockaddr_in *a4 = (const void *)a, *b4 = (const void *)b;
	const struct sockaddr_in6 *a6 = (const void *)a, *b6 = (const void *)b;
	if (a->ss_family != b->ss_family)
		return false;
	if (a->ss_family == AF_INET)
		return a4->sin_port == b4->sin_port && a4->sin_addr.s_addr == b4->sin_addr.s_addr;
	return a6->sin6_port == b6->sin6_port;
}

bool health_is_own(struct health *h, const struct sockaddr_storage *from)
{
	if (h->own.fd < 0 || !is_same_port(from, &h->from))
		return false;
	end_own(h);
	if (h->spec.probe->kind)
		h->probe = probe_start(h->spec.probe, &h->spec.at, on_probe, h);
	else
		conclude(h, &(struct err){0}, "");
	return true;
}

/* ---- beginning and end ---- */

struct health *health_new(const struct health_spec *spec, void (*on)(void *owner), void *owner)
{
	struct health *h = mem_new(sizeof *h);
	*h = (struct health){.spec = *spec,
		.on = on,
		.owner = owner,
		.next.on = check,
		.limit.on = on_limit,
		.own.fd = -1};
	return h;
}

void health_start(struct health *h)
{
	if (h->on_duty)
		return;
	h->on_duty = true;
	timer_after(&h->next, 0);
}

void health_pause(struct health *h)
{
	h->on_duty = false;
	timer_stop(&h->next);
	end_own(h);
	if (h->probe)
		probe_cancel(h->probe);
	h->probe = NULL;
	h->anew = h->counts;
	if (h->counts)
		return;
	h->failures = 0;
	forget(h);
}

void health_stop(struct health *h)
{
	h->counts = false;
	health_pause(h);
}

void health_set_interval(struct health *h, int64_t ms)
{
	h->spec.interval_ms = ms;
	if (timer_is_set(&h->next))
		timer_about(&h->next, ms);
}

void health_free(struct health *h)
{
	health_stop(h);
	loop_free_later(h, free);
}

/* ---- what was found ---- */

const struct err *health_error(const struct health *h)
{
	static const struct err None;
	return h->counts ? &h->err : &None;
}

const char *health_note(const struct health *h)
{
	return h->err.kind ? h->err.text : h->said ? h->said : "";
}

int64_t health_checked_ms(const struct health *h)
{
	return h->checked_ms;
}
