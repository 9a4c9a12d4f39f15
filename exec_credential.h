/* The object ExecCredential of client.authentication.k8s.io: what a credential plugin
 * is told, and what it answers.
 *
 * Knows nothing of processes, nor of the time.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "kubeconfig.h"

/* What a plugin gives: a token, a certificate with its key, or all three.  Starts as {0}. */
struct exec_credential {
	struct secret token;
	char *cert; /* PEM, not looked into; NULL without */
	struct secret key;
	int64_t until_ms; /* since 1970, when it expires; 0: not said */
};

void exec_credential_free(struct exec_credential *c); /* secrets are zeroed; back to {0} */

/* Appends what KUBERNETES_EXEC_INFO says to the plugin k->exec, as client-go writes it:
 * JSON and an end of line.  `interactive`: it has a terminal to ask at. */
void exec_credential_put(struct buf *out, const struct kubeconfig *k, bool interactive);

/* Reads what a plugin has printed, which is JSON or YAML, into *c, which is {0}.  False
 * for what is none of `api_version`, or holds nothing to log in with; *c is then {0}, and
 * *e has words that go behind the plugin's name ("printed nothing"), and in which no part
 * of the answer stands: it may be a secret. */
bool exec_credential_parse(
	struct exec_credential *c, const char *p, size_t n, const char *api_version, struct err *e);
