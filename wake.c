/* Two descriptors.  An alarm that only ends a wait of the loop, which then sees by
 * its clocks that the machine has slept; and rtnetlink(7), whose messages are read
 * for whether they matter, and thrown away. */
#include "wake.h"

#include <errno.h>
#include <limits.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "log.h"
#include "loop.h"

enum {
	READS_A_TURN = 64,
	MESSAGE = 8192,
	GROUPS = RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE | RTMGRP_IPV4_RULE |
		 1 << (RTNLGRP_IPV6_RULE - 1),
};

static void on_tell(struct timer *timer);

static struct {
	void (*on)(enum wake why);
	struct io alarm, routes;
	struct timer tell; /* set from a change of routes until it is told */
	int64_t free_ms;   /* from when on the next may be told */
} Wake = {.alarm.fd = -1, .routes.fd = -1, .tell.on = on_tell};

static void go_without(struct io *io, const char *what)
{
	log_line(LOG_INFO, what, LOG_FIELDS(LOG_STR("reason", strerror(errno))));
	io_close(io);
}

/* ---- sleep ---- */

static void on_alarm(struct io *io, uint32_t events)
{
	uint64_t none;
	(void)events;
	if (read(io->fd, &none, sizeof none) < 0 && errno != ECANCELED && errno != EAGAIN)
		go_without(io, "sleep is noticed late: the alarm failed");
}

/* One for the end of time, which the kernel cancels when the wall clock is set; and
 * it sets that after each sleep. */
static void open_alarm(void)
{
	static const struct itimerspec Never = {.it_value.tv_sec = LONG_MAX};
	int fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	io_open(&Wake.alarm, fd, on_alarm);
	if (fd < 0 ||
		timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &Never, NULL))
		go_without(&Wake.alarm, "sleep is noticed late: no alarm");
	else
		io_want(&Wake.alarm, EPOLLIN);
}

/* The network often comes back a moment later: that is told without a pause. */
static void on_sleep(int64_t ms)
{
	log_line(LOG_INFO, "the machine was asleep", LOG_FIELDS(LOG_NUM("seconds", ms / 1000)));
	Wake.free_ms = 0;
	if (timer_is_set(&Wake.tell))
		timer_after(&Wake.tell, WAKE_SETTLE_MS);
	Wake.on(WAKE_SLEPT);
}

/* ---- routes ---- */

static void on_tell(struct timer *timer)
{
	(void)timer;
	log_line(LOG_DEBUG, "routes have changed", NULL);
	Wake.free_ms = loop_now() + WAKE_PAUSE_MS;
	Wake.on(WAKE_ROUTES);
}

static void note_change(void)
{
	int64_t at = loop_now() + WAKE_SETTLE_MS;
	if (!timer_is_set(&Wake.tell))
		timer_set(&Wake.tell, at > Wake.free_ms ? at : Wake.free_ms);
}

/* This machine, one link, groups: routes to them say nothing of the way to a server,
 * and come and go with each interface, as containers have them. */
static bool is_near(uint8_t family, const uint8_t *to)
{
	static const struct {
		uint8_t family;
		uint16_t bits, mask;
	} Near[] = {
		{AF_INET, 0x7f00, 0xff00},  /* 127.0.0.0/8 */
		{AF_INET, 0xa9fe, 0xffff},  /* 169.254.0.0/16 */
		{AF_INET6, 0xfe80, 0xffc0}, /* fe80::/10 */
		{AF_INET6, 0xff00, 0xff00}, /* ff00::/8 */
	};
	for (size_t i = 0; i < sizeof Near / sizeof *Near; i++)
		if (family == Near[i].family &&
			((to[0] << 8 | to[1]) & Near[i].mask) == Near[i].bits)
			return true;
	return false;
}

union message {
	struct {
		struct nlmsghdr head;
		struct rtmsg route;
	};
	uint8_t bytes[MESSAGE];
};

/* Where a route leads to: the address as it lies in the message; NULL: everywhere. */
static const uint8_t *destination(const union message *m)
{
	struct rtattr a;
	for (size_t at = NLMSG_SPACE(sizeof m->route); at + sizeof a <= m->head.nlmsg_len;) {
		memcpy(&a, m->bytes + at, sizeof a);
		if (a.rta_len < sizeof a || at + a.rta_len > m->head.nlmsg_len)
			break;
		if (a.rta_type == RTA_DST && a.rta_len >= RTA_LENGTH(4))
			return m->bytes + at + RTA_LENGTH(0);
		at += RTA_ALIGN(a.rta_len);
	}
	return NULL;
}

/* Whether what recv(2) gave, one message at a time, says that something has changed.
 * An address comes and goes with a route to it, so routes and rules are enough.
 * What is too long for us, or was too much for the socket, may be anything. */
static bool is_change(const union message *m, ssize_t n)
{
	if (n < 0)
		return errno == ENOBUFS;
	bool whole = n <= MESSAGE && m->head.nlmsg_len <= n;
	bool route = m->head.nlmsg_type == RTM_NEWROUTE || m->head.nlmsg_type == RTM_DELROUTE;
	const uint8_t *to = whole && route ? destination(m) : NULL;
	return !to || !is_near(m->route.rtm_family, to);
}

static void on_routes(struct io *io, uint32_t events)
{
	union message m = {.head.nlmsg_len = 0};
	(void)events;
	for (int i = 0; i < READS_A_TURN; i++) {
		ssize_t n = recv(io->fd, &m, sizeof m, MSG_TRUNC);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0 && errno != EINTR && errno != ENOBUFS) {
			go_without(io, "changes of routes are not noticed: netlink failed");
			return;
		}
		if (is_change(&m, n))
			note_change();
	}
}

static void open_routes(void)
{
	static const struct sockaddr_nl All = {.nl_family = AF_NETLINK, .nl_groups = GROUPS};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, NETLINK_ROUTE);
	io_open(&Wake.routes, fd, on_routes);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&All, sizeof All))
		go_without(&Wake.routes, "changes of routes are not noticed: no netlink");
	else
		io_want(&Wake.routes, EPOLLIN);
}

/* ---- beginning and end ---- */

void wake_start(void (*on)(enum wake why))
{
	Wake.on = on;
	Wake.free_ms = 0;
	loop_on_sleep(on_sleep);
	open_alarm();
	open_routes();
}

void wake_stop(void)
{
	loop_on_sleep(NULL);
	timer_stop(&Wake.tell);
	io_close(&Wake.alarm);
	io_close(&Wake.routes);
}
