/* Who we are at a cluster: the user of a kubeconfig as what a connection and a request
 * carry.  One for each cluster, shared by all its connections.
 *
 * A plugin is run when there has to be a credential, once for all who wait for it, and
 * again ahead of its end.  Where that fails, the credential is used on to its end, and the
 * plugin is run again before it, more often as that comes near.
 *
 * A plugin that has failed, and left no credential, is not run again before a pause, in which
 * those who ask are told of the same failure.  The pause doubles each time, from
 * CREDENTIAL_AGAIN_MS to CREDENTIAL_AGAIN_MAX_MS, until the plugin has succeeded; then it
 * begins anew.  Token files are read when they are needed.
 * Knows nothing of connections or of forwards.
 */
#pragma once
#include <stdbool.h>

#include "buf.h"
#include "kubeconfig.h"
#include "loop.h"
#include "tls.h"

enum {
	CREDENTIAL_AGAIN_MS = 5000,
	CREDENTIAL_AGAIN_MAX_MS = 60000,
	CREDENTIAL_YOUNG_MS = 5000, /* a plugin that gave what was refused is not run before */
};

struct credential;

/* `k` must outlive it.  NULL with *e set: a certificate or key that cannot be used. */
struct credential *credential_new(const struct kubeconfig *k, struct err *e);
void credential_free(struct credential *c); /* nobody waits any more */

/* Who waits; embedded in its owner, and starts as {.on = handler}. */
struct credential_wait {
	struct credential_wait *next;
	struct credential *credential; /* NULL: does not wait */
	/* There is one now; or why not, where e->kind is set. */
	void (*on)(struct credential_wait *w, const struct err *e);
};

/* Returns whether there is a credential to be used now; else w->on is called, once, from
 * the loop.  Who waits may ask again, and waits as one who has just come. */
bool credential_ask(struct credential *c, struct credential_wait *w);
void credential_forget(struct credential_wait *w); /* harmless when it does not wait */

/* Those who wait for the one wait for the other. */
void credential_hand_over(struct credential *from, struct credential *to);

/* Appends the fields of a request, with their line ends: Authorization, and Impersonate-*
 * where the user acts as another; nothing for one who has neither.  A token file comes
 * before a token, which stands in while the file cannot be used (client-go,
 * transport/round_trippers.go).  The caller wipes the buffer.  False with *e set, and
 * nothing appended: a token file that cannot be read, or what no field can hold. */
bool credential_put(const struct credential *c, struct buf *out, struct err *e);

/* The certificate to show, or NULL; good until the next credential_ask(). */
const struct tls_identity *credential_identity(const struct credential *c);

/* Which one it is: no other, of no user, has its number; where there is none, that of the
 * lack of it.  Who has asked, and finds another number when it is to be sent, asks again. */
unsigned credential_number(const struct credential *c);

/* The server has refused (401) the one of that number.  Returns whether there is another
 * already, of another kubeconfig, say, or one can be had: what was refused is to be asked
 * for anew then, once. */
bool credential_refused(struct credential *c, unsigned number);

/* Whether plugins may use the terminal that porter has; not by default, and only while
 * nothing else does.  One at a time does, while stdin is the terminal and porter is in its
 * foreground; others that would wait for their turn, and their limit begins with it. */
void credential_terminal(bool is_free);

/* `on` is called before one has the terminal, and when none has it any more. */
void credential_on_asking(void (*on)(bool asks));
