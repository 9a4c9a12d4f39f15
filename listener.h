/* The local port of one forward: its sockets, and when connections are taken from
 * them.  Knows nothing of what becomes of a connection.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "err.h"
#include "loop.h"

struct listener;

enum { LISTENER_SOCKETS = 2 }; /* 127.0.0.1 and ::1 */

/* Embedded in its owner.  Starts as {0}, then listener_init() or listener_open(). */
struct listener {
	struct listener_socket {
		struct io io;
		struct listener *listener;
	} socket[LISTENER_SOCKETS];
	struct timer pause; /* set while there are no descriptors */
	bool told;          /* that there are none */
	bool accepting;
	uint16_t port; /* listened on, also where any was asked for; stays when it is closed */
	const char *name;
	void (*take)(void *owner, int fd, const struct sockaddr_storage *from);
	void *owner;
};

struct listener_spec {
	const char *address; /* of 127.0.0.0/8, or ::1 */
	bool only_that;      /* else ::1, too, beside 127.0.0.1, where there is one */
	uint16_t port;       /* 0: any free one */
	const char *name;    /* the forward's, for messages; must outlive the listener */
	const int *lent;     /* sockets that listen already: one at an address that is */
	size_t lent_count;   /* wanted is used (a copy of it), and not bound anew */
};

/* It has no sockets yet. */
void listener_init(struct listener *l, const struct listener_spec *spec);

/* Binds and listens: connections wait in the kernel.  The loop is not needed.  False
 * with *e set where the port is taken or cannot be bound; nothing is open then.  Also
 * after listener_close() and listener_end(). */
bool listener_open(struct listener *l, const struct listener_spec *spec, struct err *e);

/* At which of its addresses another socket is in the way, for one that is not lent:
 * returns how many there are. */
size_t listener_taken(
	const struct listener_spec *spec, struct sockaddr_storage at[LISTENER_SOCKETS]);

/* Who takes connections: `fd` is non-blocking, and the owner's.  Called from the loop. */
void listener_serve(struct listener *l,
	void (*take)(void *owner, int fd, const struct sockaddr_storage *from), void *owner);

/* Whether connections are taken from now on; else they wait in the kernel's backlog.
 * Where no descriptors are left for them (ulimit.h) they wait, too: for a second at a
 * time, or until this is called when there are.  Those that are taken are for the owner to
 * count there. */
void listener_accept(struct listener *l, bool on);

/* Its sockets, as another may be lent them; returns how many there are. */
size_t listener_sockets(const struct listener *l, int fd[LISTENER_SOCKETS]);

/* Where they were lent, connections that wait in the kernel are not lost. */
void listener_close(struct listener *l);

/* The same for all who were lent them: the port is free at once, and connections that
 * wait are reset. */
void listener_end(struct listener *l);
