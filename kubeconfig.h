/* A kubeconfig's context, with its cluster and user, as plain values.
 *
 * Reads files, keeps none open, sends nothing and starts nothing.  Knows nothing of
 * requests, of TLS, of proxies or of how a credential becomes a header.  Meaning and
 * precedence are client-go's (tools/clientcmd): data before files, relative paths
 * relative to the kubeconfig they stand in, of merged files the first that has a name.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "mem.h"

/* What is written instead of a file's path: the service account of the pod we run in. */
#define KUBECONFIG_IN_CLUSTER "in-cluster"
#define KUBECONFIG_ACCOUNT    "/var/run/secrets/kubernetes.io/serviceaccount"

/* Whether a credential plugin is given a terminal to ask at. */
enum kubeconfig_interactive { KUBECONFIG_NEVER, KUBECONFIG_IF_AVAILABLE, KUBECONFIG_ALWAYS };

struct kubeconfig_exec {    /* users[].user.exec */
	char *api_version;  /* "client.authentication.k8s.io/v1" or ".../v1beta1" */
	char *command;      /* a name to be looked up in PATH, or (with a '/') an absolute path */
	char **args, **env; /* end with NULL; env: "NAME=VALUE"; NULL: none */
	enum kubeconfig_interactive interactive;
	bool provide_cluster_info;
	char *cluster_config; /* JSON: the cluster's extension for plugins, or NULL */
	char *install_hint;   /* several lines, no control characters else; or NULL */
};

struct kubeconfig_extra {
	char *key, *value;
};

struct kubeconfig {
	char *context;   /* its name; "in-cluster" */
	char *namespace; /* of the context; "default" if it has none */

	char *server;    /* the URL as it is written */
	bool tls;        /* https */
	char *host;      /* DNS name or IP literal, no brackets */
	uint16_t port;   /* 443 or 80 unless the URL has one */
	char *prefix;    /* path before "/api": "" or "/k8s/clusters/c-1", no slash at its end */
	char *proxy_url; /* http, https, socks5 or socks5h, else not looked into; or NULL */
	bool insecure;   /* insecure-skip-tls-verify */
	bool disable_compression; /* only told to plugins: what we ask for is not compressed */
	char *tls_name;           /* tls-server-name, or NULL */
	char *ca;      /* PEM text of certificate-authority[-data], or NULL: the system's */
	char *ca_file; /* where ca comes from, or NULL: from data */

	/* Who we are.  All of it is absent where the server is not https, as client-go
	 * sends credentials over TLS only. */
	char *cert;                   /* PEM text of client-certificate[-data], or NULL */
	struct secret key;            /* PEM text of client-key[-data] */
	char *cert_file, *key_file;   /* where those come from, or NULL: from data */
	struct secret token;          /* or none; of auth-provider oidc its id-token */
	int64_t token_until;          /* when that expires, s since 1970; 0: not known */
	char *token_file;             /* tokenFile, or NULL; comes before token, as in client-go */
	char *username;               /* or NULL; never beside a token */
	struct secret password;       /* of the user name */
	struct kubeconfig_exec *exec; /* or NULL; never beside a token, user name or certificate */
	char *login_hint;             /* what to do when the token has expired, or NULL */

	/* Whom to act as: NULL and 0 without.  Not without `as`. */
	char *as, *as_uid;
	char **as_groups;                  /* ends with NULL */
	struct kubeconfig_extra *as_extra; /* one for each value of as-user-extra */
	size_t as_extra_count;

	/* Both end with NULL. */
	char **files; /* read or looked for: kubeconfigs (those not there, too), then ca, cert, key
		       */
	char **warnings; /* for the log, one line each */
};

/* Reads `context` (NULL: current-context) of `file` into *k, which is {0}.  `file` is a
 * path or KUBECONFIG_IN_CLUSTER; NULL: the files of $KUBECONFIG, merged, else
 * ~/.kube/config, else, in a pod, KUBECONFIG_IN_CLUSTER.  What the context needs and
 * we cannot do is refused by name.  False with *e in words, "FILE:LINE: what is wrong"
 * where a line is known; *k is then {0}.
 */
bool kubeconfig_load(struct kubeconfig *k, const char *file, const char *context, struct err *e);

/* The service account in the folder `account`, and the API server that the environment
 * names, as the kubelet sets up both in a pod.  As kubeconfig_load(). */
bool kubeconfig_in_cluster(struct kubeconfig *k, const char *account, struct err *e);

/* Whether both say the same, and were read from the same files. */
bool kubeconfig_same(const struct kubeconfig *a, const struct kubeconfig *b);
void kubeconfig_free(struct kubeconfig *k); /* all texts are zeroed; back to {0} */
