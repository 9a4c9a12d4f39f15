/* What tests of the kernel's table share: a network of their own, TCP sockets at
 * addresses given as text, and a process whose netlink is refused. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A group's set-up: as root, no other program's sockets are seen. */
static inline int own_network(void **state)
{
	struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	(void)state;
	if (unshare(CLONE_NEWNET))
		return 0;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0),
	    result = ioctl(fd, SIOCSIFFLAGS, &lo);
	close(fd);
	return result;
}

static inline struct sockaddr_storage address_of(const char *text, uint16_t port)
{
	struct sockaddr_storage a = {0};
	struct sockaddr_in *v4 = (void *)&a;
	struct sockaddr_in6 *v6 = (void *)&a;
	a.ss_family = strchr(text, ':') ? AF_INET6 : AF_INET;
	v4->sin_port = htons(port); /* of both */
	if (a.ss_family == AF_INET)
		assert_int_equal(inet_pton(AF_INET, text, &v4->sin_addr), 1);
	else
		assert_int_equal(inet_pton(AF_INET6, text, &v6->sin6_addr), 1);
	return a;
}

static inline uint16_t port_of(const struct sockaddr_storage *a)
{
	return ntohs(((const struct sockaddr_in *)a)->sin_port);
}

static inline socklen_t size_of(const struct sockaddr_storage *a)
{
	return a->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
}

static inline void assert_same_address(
	const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	assert_int_equal(a->ss_family, b->ss_family);
	assert_memory_equal(a, b, size_of(a));
}

static inline void tell_own(int fd, struct sockaddr_storage *own)
{
	socklen_t n = sizeof *own;
	*own = (struct sockaddr_storage){0};
	assert_int_equal(getsockname(fd, (struct sockaddr *)own, &n), 0);
}

/* Bound there, in one with others who want that (SO_REUSEPORT). */
static inline int bind_at(const struct sockaddr_storage *at, bool v6only)
{
	int on = 1, only = v6only, fd = socket(at->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on), 0);
	if (at->ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only);
	assert_int_equal(bind(fd, (const struct sockaddr *)at, size_of(at)), 0);
	return fd;
}

/* The same, and *at has its port. */
static inline int listen_at(struct sockaddr_storage *at, bool v6only)
{
	int fd = bind_at(at, v6only);
	assert_int_equal(listen(fd, 8), 0);
	tell_own(fd, at);
	return fd;
}

static inline int connect_to(const struct sockaddr_storage *at, struct sockaddr_storage *own)
{
	int fd = socket(at->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)at, size_of(at)), 0);
	tell_own(fd, own);
	return fd;
}

static inline bool has_ipv6(void)
{
	struct sockaddr_storage at = address_of("::1", 0);
	int fd = socket(AF_INET6, SOCK_STREAM, 0);
	bool has = fd >= 0 && !bind(fd, (struct sockaddr *)&at, size_of(&at));
	if (fd >= 0)
		close(fd);
	return has;
}

/* From now on socket(AF_NETLINK, ...) fails in this process. */
static inline void refuse_netlink(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_NETLINK, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = {.len = sizeof code / sizeof *code, .filter = code};
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
		prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter))
		_exit(99);
}
