/* One local connection: held until there is a channel for it, then carried, and
 * ended as the other side ended.
 *
 * Knows nothing of which pod it goes to, or why it has to wait.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pool.h"

enum {
	CLIENT_EARLY = 16384,     /* bytes kept until the first has come back */
	CLIENT_TURN = 256 * 1024, /* bytes read from a client before others have a turn */
	CLIENT_DELIVER_MS = 5000, /* for what had arrived to reach the client, before a reset */
	CLIENT_LINGER_MS = 5000,  /* for a client to close, after our FIN */
};

struct client;

/* The clients of one forward, the oldest first.  Starts as {0}. */
struct clients {
	struct client *first, **last;
	unsigned count, held; /* those that there are, and which of them are held */
	uint64_t served;      /* that had a channel, in all */
	uint64_t up, down;    /* bytes from and to all of them, as they move */
};

struct client_end {
	enum channel_how how;
	const struct err *err; /* set unless how is CHANNEL_ENDED */
	bool by_client;        /* it is the client that broke it off */
	uint64_t up, down;     /* bytes from and to the client */
	int64_t ms;            /* since it was accepted */
	char pod[254];         /* that it was connected to; "" if it never was */
};

/* What the owner is told, from the loop only. */
struct client_ops {
	/* Its channel never reached the application, and nothing is lost yet: it is
	 * held again.  Told how the channel ended, and which pod it was, by its
	 * UID: a new pod may have the name of the one that is gone. */
	void (*held_again)(void *owner, enum channel_how how, const char *uid);
	/* It is no more. */
	void (*gone)(void *owner, const struct client_end *end);
};

/* Takes a connected, non-blocking socket over; it is held.  All the times that it
 * is held come to `hold_ms` at most; then it is reset. */
void client_new(
	struct clients *list, int fd, int64_t hold_ms, const struct client_ops *ops, void *owner);

/* Opens channels for those that are held, the oldest first, as long as there
 * are any to be had. */
void clients_open(struct clients *list, struct pool *pool);

/* Resets those that are held: nobody will serve them.  ops->gone is told with
 * `why`, as for a channel. */
void clients_reset_held(struct clients *list, const struct err *why);

/* Ends all of them at once, without a word to the owner. */
void clients_close(struct clients *list);
