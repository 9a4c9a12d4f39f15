/* What porter tells the service manager that started it (systemd's sd_notify(3)).
 *
 * Never waits: what the manager's socket has no room for is dropped.  Where there
 * is no manager, nothing is done.
 */
#pragma once
#include <stdbool.h>

enum notify {
	NOTIFY_READY,     /* start or reload is done */
	NOTIFY_RELOADING, /* NOTIFY_READY follows */
	NOTIFY_STOPPING,
	NOTIFY_STATUS, /* nothing but its words */
};

/* Takes $NOTIFY_SOCKET (a path from the root, or '@' and an abstract name), and
 * removes it from the environment: children are not to speak for us.  Called once,
 * before there are any.  Returns whether somebody is told from now on. */
bool notify_begin(void);

/* Tells it, with words for `systemctl status`, or NULL to leave those it has.  Line
 * ends, control characters and bad UTF-8 in them become '?', and what is longer
 * than NOTIFY_WORDS is cut. */
enum { NOTIFY_WORDS = 255 };
void notify_tell(enum notify what, const char *words);
