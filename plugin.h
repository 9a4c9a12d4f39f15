/* One run of a credential plugin: the program that a kubeconfig names to log in with
 * (users[].user.exec).
 *
 * Knows nothing of when there has to be one, of what a credential is used for, nor of
 * other runs.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "err.h"
#include "exec_credential.h"

enum {
	PLUGIN_LIMIT_MS = 60000,
	PLUGIN_TERMINAL_LIMIT_MS = 300000, /* where it has a terminal, and someone types */
	PLUGIN_OUTPUT_MAX = 1 << 20,       /* bytes of stdout, and of stderr */
};

struct plugin_spec {
	const struct kubeconfig *k; /* with k->exec */
	bool terminal;    /* stdin is one, and nobody else uses it: there is no screen yet */
	int64_t limit_ms; /* 0: as above */
};

struct plugin;

/* Starts it, with porter's environment, the kubeconfig's variables over it, and
 * KUBERNETES_EXEC_INFO; without a shell.  `spec` need not outlive the call.  `on` is called
 * once, from the loop, behind which the plugin is no more; what the handler leaves in *c is
 * wiped.
 *
 * e->kind is ERR_NONE where *c is a credential that has not expired.  Otherwise *c is {0},
 * and e->text one line, "plugin aws: ...", in which nothing of its stdout stands:
 *
 * - ERR_LOCAL: the program or the kubeconfig has to be changed.  It is not there (then
 *   with its install hint), cannot be run, wants a terminal and has none, prints too much,
 *   or answers what is no ExecCredential.
 * - ERR_UNAUTHORIZED: it has ended without success, whatever the cause; the last line that
 *   it printed to stderr stands in the text, or its status.  Or what it gives has expired.
 * - ERR_NETWORK: it is not done within the limit.
 *
 * Where its interactiveMode wants a terminal and there is one, it has porter's stdin and
 * stderr; else its stdin is empty, and it is killed with its descendants if it does not end
 * in time.  What it leaves behind when it ends goes on. */
struct plugin *plugin_start(const struct plugin_spec *spec,
	void (*on)(void *owner, struct exec_credential *c, const struct err *e), void *owner);

/* Gives up, before `on` is called; it is not called any more.  The program is killed. */
void plugin_cancel(struct plugin *p);
