/* A kubeconfig's context, with its cluster and user, as plain values.
 *
 * Reads files, keeps none open, sends nothing.  Knows nothing of requests, of
 * TLS or of how a credential becomes a header.  Meaning and precedence are
 * client-go's (tools/clientcmd): data before files, relative paths relative to
 * the kubeconfig, token before username.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "mem.h"

/* Whether a credential plugin is given a terminal to ask at. */
enum kubeconfig_interactive { KUBECONFIG_NEVER, KUBECONFIG_IF_AVAILABLE, KUBECONFIG_ALWAYS };

struct kubeconfig_exec {    /* users[].user.exec */
	char *api_version;  /* "client.authentication.k8s.io/v1" or ".../v1beta1" */
	char *command;      /* a name to be looked up in PATH, or (with a '/') an absolute path */
	char **args, **env; /* end with NULL; env: "NAME=VALUE"; NULL: none */
	enum kubeconfig_interactive interactive;
	bool provide_cluster_info;
	char *cluster_config; /* JSON: the cluster's extension for plugins, or NULL */
	char *install_hint;   /* or NULL */
};

struct kubeconfig {
	char *file;      /* read from */
	char *context;   /* its name */
	char *namespace; /* of the context; "default" if it has none */

	char *server;    /* the URL as it is written */
	bool tls;        /* https */
	char *host;      /* DNS name or IP literal, no brackets */
	uint16_t port;   /* 443 or 80 unless the URL has one */
	char *prefix;    /* path before "/api": "" or "/k8s/clusters/c-1", no slash at its end */
	char *proxy_url; /* or NULL */
	bool insecure;   /* insecure-skip-tls-verify */
	bool plain;      /* disable-compression: only told to plugins */
	char *tls_name;  /* tls-server-name, or NULL */
	char *ca;        /* PEM text of certificate-authority[-data], or NULL: the system's */

	char *cert;          /* PEM text of client-certificate[-data], or NULL */
	struct secret key;   /* PEM text of client-key[-data] */
	struct secret token; /* or none */
	char *token_file;    /* tokenFile, or NULL; comes before token, as in client-go */
	char *username;      /* or NULL */
	struct secret password;
	struct kubeconfig_exec *exec; /* or NULL */
};

/* Reads `context` (NULL: current-context) of `file` into *k, which is {0}.
 * What the context needs and we do not support (exec, auth-provider, as*,
 * proxy-url, ...) is refused by name.  False with *e in words,
 * "FILE:LINE: what is wrong" where a line is known; *k is then {0}.
 */
bool kubeconfig_load(struct kubeconfig *k, const char *file, const char *context, struct err *e);
/* Whether both say the same, and were read from the same file. */
bool kubeconfig_same(const struct kubeconfig *a, const struct kubeconfig *b);
void kubeconfig_free(struct kubeconfig *k); /* secrets are zeroed; back to {0} */

/* The file that counts where none is named: $KUBECONFIG, else
 * ~/.kube/config.  To be freed; NULL with *e set: neither is there to use, or
 * $KUBECONFIG lists several files, which is refused for now. */
char *kubeconfig_default(struct err *e);

/* `path` with a leading "~/" put into words by $HOME (or the user's entry in
 * passwd where HOME is not set); and relative paths taken from `dir`, unless
 * dir is NULL.  To be freed. */
char *kubeconfig_path(const char *path, const char *dir);

/* The folder of a file, absolute: what is relative to it stays there wherever we go.
 * To be freed. */
char *kubeconfig_folder(const char *file);
