/* From the kubeconfig's values and its plugin to one credential.  The caller wipes what
 * is written; what is copied here on the way is wiped here. */
#include "credential.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "http.h"
#include "log.h"
#include "mem.h"
#include "plugin.h"

enum {
	TOKEN_FILE_MAX = 65536,
	AHEAD = 5, /* a fifth of its life before its end, the next one is got */
	AHEAD_AGAIN_MIN_MS = 1000,
};

struct credential {
	const struct kubeconfig *k;
	struct tls_identity *identity;
	struct exec_credential given; /* by the plugin, where `has` */
	bool has;
	bool used;      /* since it was given: worth to be renewed ahead of its end */
	int64_t got_ms; /* loop_now() */
	unsigned number;
	struct plugin *plugin;     /* that runs, or NULL */
	struct credential *behind; /* in the line for the terminal */
	struct err err;            /* of its last run */
	int64_t failed_ms;         /* when that failed */
	int64_t pause_ms;          /* behind that, before the next; 0: it has not failed */
	struct timer ahead;
	struct task tell;                        /* those who wait for what is known already */
	struct credential_wait *waits, *telling; /* the latter are told just now */
};

static void on_turn(struct task *task);

static bool Terminal, Asking;
static void (*On_asking)(bool asks);
static struct credential *Line; /* whose plugins ask at the terminal: the first's does now */
static struct task Turn = {.on = on_turn};
static unsigned Numbers; /* given out */

void credential_terminal(bool is_free)
{
	Terminal = is_free;
}

void credential_on_asking(void (*on)(bool asks))
{
	On_asking = on;
}

static void set_asking(bool asks)
{
	if (asks != Asking && On_asking)
		On_asking(asks);
	Asking = asks;
}

/* ---- those who wait ---- */

static void tell_all(struct credential *c, const struct err *e)
{
	struct credential_wait *w;
	c->telling = c->waits;
	c->waits = NULL;
	while ((w = c->telling)) {
		c->telling = w->next;
		w->credential = NULL;
		w->on(w, e);
	}
}

static void on_tell(struct task *task)
{
	struct credential *c = OWNER_OF(task, struct credential, tell);
	tell_all(c, &c->err);
}

static bool leave(struct credential_wait **list, const struct credential_wait *w)
{
	while (*list && *list != w)
		list = &(*list)->next;
	if (!*list)
		return false;
	*list = w->next;
	return true;
}

void credential_forget(struct credential_wait *w)
{
	struct credential *c = w->credential;
	if (c && !leave(&c->waits, w))
		leave(&c->telling, w);
	w->credential = NULL;
}

static void join(struct credential *c, struct credential_wait *w)
{
	struct credential_wait **end = &c->waits;
	while (*end)
		end = &(*end)->next;
	w->next = NULL;
	w->credential = c;
	*end = w;
}

/* ---- certificates ---- */

/* Without one (NULL), none is shown any more. */
static bool set_identity(
	struct credential *c, const char *cert, const struct secret *key, struct err *e)
{
	struct tls_identity *id =
		cert ? tls_identity_parse(cert, strlen(cert), key->p, key->n, e) : NULL;
	if (cert && !id)
		return false;
	tls_identity_free(c->identity);
	c->identity = id;
	return true;
}

/* ---- the plugin ---- */

static bool has_ended(const struct credential *c)
{
	return c->given.until_ms && loop_wall() >= c->given.until_ms;
}

static void run(struct credential *c);
static void leave_line(const struct credential *c);

/* Where it stands in the line; where that ends, if it does not (NULL never does). */
static struct credential **place_in_line(const struct credential *c)
{
	struct credential **at = &Line;
	while (*at && *at != c)
		at = &(*at)->behind;
	return at;
}

/* What nobody has used since it was given is not renewed: it may lapse. */
static void on_ahead(struct timer *timer)
{
	struct credential *c = OWNER_OF(timer, struct credential, ahead);
	if (c->used && !c->plugin && !*place_in_line(c))
		run(c);
}

static void renew_ahead(struct credential *c)
{
	int64_t life = c->given.until_ms - loop_wall();
	timer_stop(&c->ahead);
	if (c->given.until_ms && life > 0)
		timer_after(&c->ahead, life - life / AHEAD);
}

/* Behind each failure a fifth of what is left; at its end, those who ask see to it. */
static void renew_again(struct credential *c)
{
	int64_t rest = c->given.until_ms - loop_wall(), wait = rest / AHEAD;
	if (wait < AHEAD_AGAIN_MIN_MS)
		wait = AHEAD_AGAIN_MIN_MS;
	if (wait < rest)
		timer_after(&c->ahead, wait);
}

static bool take_given(struct credential *c, struct exec_credential *given, struct err *e)
{
	if (!set_identity(c, given->cert, &given->key, e))
		return false;
	exec_credential_free(&c->given);
	c->given = *given;
	*given = (struct exec_credential){0};
	c->has = true;
	c->used = false;
	c->got_ms = loop_now();
	c->pause_ms = 0;
	c->number = ++Numbers;
	renew_ahead(c);
	return true;
}

static void pause_after_failure(struct credential *c)
{
	int64_t next = c->pause_ms ? 2 * c->pause_ms : CREDENTIAL_AGAIN_MS;
	c->pause_ms = next < CREDENTIAL_AGAIN_MAX_MS ? next : CREDENTIAL_AGAIN_MAX_MS;
	c->failed_ms = loop_now();
}

/* Ahead of its end, a failure leaves the one that there is, and those who ask for it
 * do not notice. */
static void failed(struct credential *c)
{
	bool ahead = c->has && !has_ended(c);
	log_line(LOG_WARN, ahead ? "the credential could not be renewed yet" : "no credential",
		LOG_FIELDS(LOG_STR("reason", c->err.text)));
	if (!ahead) {
		pause_after_failure(c);
		return;
	}
	c->err = (struct err){0};
	renew_again(c);
}

static void on_plugin(void *owner, struct exec_credential *given, const struct err *e)
{
	struct credential *c = owner;
	struct err why = {0};
	c->plugin = NULL;
	leave_line(c);
	c->err = *e;
	if (!e->kind && !take_given(c, given, &why))
		err_set(&c->err, ERR_LOCAL, 0,
			"plugin %s: gave a certificate that cannot be used: %s",
			c->k->exec->command, why.text);
	if (c->err.kind)
		failed(c);
	tell_all(c, &c->err);
}

static void start(struct credential *c, bool terminal)
{
	const struct plugin_spec spec = {.k = c->k, .terminal = terminal};
	c->plugin = plugin_start(&spec, on_plugin, c);
}

/* In the background, who reads from the terminal would be stopped, and porter with it.
 * Where stdin is none, or another session's, it has no such group. */
static bool may_ask(const struct credential *c)
{
	return Terminal && c->k->exec->interactive != KUBECONFIG_NEVER &&
	       tcgetpgrp(STDIN_FILENO) == getpgrp();
}

static void run(struct credential *c)
{
	if (!may_ask(c)) {
		start(c, false);
		return;
	}
	c->behind = NULL;
	*place_in_line(NULL) = c;
	task_post(&Turn);
}

/* The terminal may be gone since they came. */
static void on_turn(struct task *task)
{
	(void)task;
	while (Line && !Line->plugin && !may_ask(Line)) {
		struct credential *c = Line;
		Line = c->behind;
		start(c, false);
	}
	set_asking(Line);
	if (Line && !Line->plugin)
		start(Line, true);
}

/* A task begins the next turn: where all are freed, none is to begin. */
static void leave_line(const struct credential *c)
{
	struct credential **at = place_in_line(c);
	if (!*at)
		return;
	*at = c->behind;
	if (Line)
		task_post(&Turn);
	else
		task_drop(&Turn);
	set_asking(Line && Asking);
}

/* For those who wait.  A failure is everybody's for a moment: many ask for the same at
 * once. */
static void get(struct credential *c)
{
	bool just_failed = loop_now() - c->failed_ms < c->pause_ms;
	if (c->plugin || *place_in_line(c))
		return;
	if (c->k->exec && !just_failed)
		run(c);
	else
		task_post(&c->tell);
}

/* ---- asking ---- */

/* An id-token cannot be renewed by us. */
static bool has_lapsed(struct credential *c)
{
	const struct kubeconfig *k = c->k;
	if (!k->token_until || loop_wall() / 1000 < k->token_until)
		return false;
	c->err = (struct err){0};
	err_set(&c->err, ERR_UNAUTHORIZED, 0, "%s",
		k->login_hint ? k->login_hint : "the user's token has expired: log in again");
	return true;
}

bool credential_ask(struct credential *c, struct credential_wait *w)
{
	credential_forget(w);
	if (!c->k->exec && !has_lapsed(c))
		return true;
	if (c->has && !has_ended(c)) {
		c->used = true;
		return true;
	}
	join(c, w);
	get(c);
	return false;
}

bool credential_refused(struct credential *c, unsigned number)
{
	if (number != c->number)
		return true;
	if (!c->k->exec || loop_now() - c->got_ms < CREDENTIAL_YOUNG_MS)
		return false;
	c->has = false;
	c->number = ++Numbers; /* who has not sent it yet is not to go without any */
	timer_stop(&c->ahead); /* would not wait for the end of a pause */
	return true;
}

/* Each is told to ask again by there being one, or a plugin's end. */
void credential_hand_over(struct credential *from, struct credential *to)
{
	struct credential_wait *w = from->waits;
	from->waits = NULL;
	for (struct credential_wait *next; w; w = next) {
		next = w->next;
		join(to, w);
	}
	has_lapsed(to);
	if (to->waits)
		get(to);
}

unsigned credential_number(const struct credential *c)
{
	return c->number;
}

const struct tls_identity *credential_identity(const struct credential *c)
{
	return c->identity;
}

/* ---- fields ---- */

static bool is_blank(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

/* As Go's HTTP client: no control characters in a field's value. */
static bool fits_field(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (p[i] < ' ' || p[i] == 0x7f)
			return false;
	return true;
}

static bool put_token(struct buf *out, const void *token, size_t n, const char *from, struct err *e)
{
	if (!fits_field(token, n))
		return err_set(e, ERR_LOCAL, 0, "%s holds a control character or line end", from);
	buf_print(out, "Authorization: Bearer ");
	buf_put(out, token, n);
	buf_put(out, "\r\n", 2);
	return true;
}

/* Blanks around the token do not count (client-go, transport/token_source.go). */
static bool put_token_of_file(struct buf *out, const char *path, struct err *e)
{
	char from[ERR_TEXT];
	struct buf text = {0};
	bool ok = false;
	if (!file_read(&text, path, TOKEN_FILE_MAX)) {
		err_set(e, ERR_LOCAL, errno, "cannot read token file '%s': %s", path,
			strerror(errno));
	} else {
		const uint8_t *p = buf_data(&text);
		size_t n = buf_len(&text);
		for (; n && is_blank(*p); n--)
			p++;
		while (n && is_blank(p[n - 1]))
			n--;
		snprintf(from, sizeof from, "token file '%s'", path);
		ok = n ? put_token(out, p, n, from, e)
		       : err_set(e, ERR_LOCAL, 0, "%s is empty", from);
	}
	buf_free_wiped(&text);
	return ok;
}

static bool put_authorization(const struct credential *c, struct buf *out, struct err *e)
{
	const struct kubeconfig *k = c->k;
	bool has_token = k->token.n > 0;
	if (k->token_file && put_token_of_file(out, k->token_file, has_token ? NULL : e))
		return true;
	if (k->token_file && !has_token)
		return false;
	if (has_token)
		return put_token(out, k->token.p, k->token.n, "the user's token", e);
	if (c->has && c->given.token.n)
		return put_token(out, c->given.token.p, c->given.token.n, "the plugin's token", e);
	if (k->username)
		http_put_basic(out, "Authorization", k->username, &k->password);
	return true;
}

static bool put_field(
	struct buf *out, const char *name, const char *suffix, const char *value, struct err *e)
{
	if (!fits_field((const uint8_t *)value, strlen(value)))
		return err_set(e, ERR_LOCAL, 0, "%s%s holds a control character", name, suffix);
	buf_print(out, "%s%s: %s\r\n", name, suffix, value);
	return true;
}

/* The key of an extra field in a field's name: other characters than those of names
 * percent-encoded (client-go, transport/round_trippers.go, headerKeyEscape). */
static char *escaped_key(const char *key)
{
	static const char Plain[] = "!#$&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	struct buf out = {0};
	for (; *key; key++)
		buf_print(&out, strchr(Plain, *key) ? "%c" : "%%%02X", (unsigned char)*key);
	char *text = mem_dup_n(buf_data(&out), buf_len(&out));
	buf_free(&out);
	return text;
}

static bool put_impersonation(const struct kubeconfig *k, struct buf *out, struct err *e)
{
	bool ok = true;
	if (k->as)
		ok = put_field(out, "Impersonate-User", "", k->as, e);
	if (ok && k->as_uid)
		ok = put_field(out, "Impersonate-Uid", "", k->as_uid, e);
	for (char **group = k->as_groups; ok && group && *group; group++)
		ok = put_field(out, "Impersonate-Group", "", *group, e);
	for (size_t i = 0; ok && i < k->as_extra_count; i++) {
		char *key = escaped_key(k->as_extra[i].key);
		ok = put_field(out, "Impersonate-Extra-", key, k->as_extra[i].value, e);
		free(key);
	}
	return ok;
}

bool credential_put(const struct credential *c, struct buf *out, struct err *e)
{
	struct buf fields = {0};
	bool ok = put_authorization(c, &fields, e) && put_impersonation(c->k, &fields, e);
	if (ok)
		buf_put(out, buf_data(&fields), buf_len(&fields));
	buf_free_wiped(&fields);
	return ok;
}

/* ---- beginning and end ---- */

struct credential *credential_new(const struct kubeconfig *k, struct err *e)
{
	struct credential *c = mem_new(sizeof *c);
	*c = (struct credential){
		.k = k, .number = ++Numbers, .ahead.on = on_ahead, .tell.on = on_tell};
	if (set_identity(c, k->cert, &k->key, e))
		return c;
	free(c);
	return NULL;
}

void credential_free(struct credential *c)
{
	if (!c)
		return;
	if (c->plugin)
		plugin_cancel(c->plugin);
	leave_line(c);
	timer_stop(&c->ahead);
	task_drop(&c->tell);
	tls_identity_free(c->identity);
	exec_credential_free(&c->given);
	free(c);
}
