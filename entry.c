/* What every key of a kubeconfig may be: a text, a truth, a list, a map, or PEM. */
#include "entry.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base64.h"
#include "buf.h"
#include "file.h"

enum { PEM_MAX = 16 << 20 };

bool entry_refuse(const struct entry *m, const struct value *at, const char *fmt, ...)
{
	char what[ERR_TEXT];
	va_list args;
	va_start(args, fmt);
	vsnprintf(what, sizeof what, fmt, args);
	va_end(args);
	if (at)
		return err_set(m->e, ERR_LOCAL, 0, "%s:%u: %s", m->file->path, at->line, what);
	return err_set(m->e, ERR_LOCAL, 0, "%s: %s", m->file->path, what);
}

static bool as_text(
	const struct entry *m, const struct value *v, const char *key, const char **text)
{
	*text = NULL;
	if (!v || v->type == VALUE_NULL)
		return true;
	if (v->type == VALUE_LIST || v->type == VALUE_MAP)
		return entry_refuse(m, v, "%s must be a text", key);
	if (strlen(v->text) != v->len)
		return entry_refuse(m, v, "%s holds a NUL", key);
	*text = v->len ? v->text : NULL;
	return true;
}

bool entry_text(const struct entry *m, const char *key, const char **text)
{
	return as_text(m, value_get(m->map, key), key, text);
}

bool entry_copy(const struct entry *m, const char *key, char **to)
{
	const char *text;
	bool ok = entry_text(m, key, &text);
	*to = text ? mem_dup(text) : NULL;
	return ok;
}

bool entry_secret(const struct entry *m, const char *key, struct secret *to)
{
	const char *text;
	bool ok = entry_text(m, key, &text);
	secret_set(to, text, text ? strlen(text) : 0);
	return ok;
}

bool entry_bool(const struct entry *m, const char *key, bool *to)
{
	const struct value *v = value_get(m->map, key);
	*to = value_is_true(v);
	return !v || v->type == VALUE_NULL || v->type == VALUE_BOOL ||
	       entry_refuse(m, v, "%s must be true or false", key);
}

static bool as_container(const struct entry *m, const char *key, enum value_type type,
	const char *name, const struct value **to)
{
	const struct value *v = value_get(m->map, key);
	*to = v && v->type == type ? v : NULL;
	return *to || !v || v->type == VALUE_NULL ||
	       entry_refuse(m, v, "%s must be a %s", key, name);
}

bool entry_list(const struct entry *m, const char *key, const struct value **to)
{
	return as_container(m, key, VALUE_LIST, "list", to);
}

bool entry_map(const struct entry *m, const char *key, struct entry *to)
{
	*to = (struct entry){m->file, NULL, m->e};
	return as_container(m, key, VALUE_MAP, "map", &to->map);
}

/* An empty or null item is an empty text. */
bool entry_texts(const struct entry *m, const char *key, char ***to)
{
	const struct value *list;
	size_t n = 0;
	*to = NULL;
	if (!entry_list(m, key, &list))
		return false;
	for (const struct value *v = value_first(list); v; v = value_next(list, v)) {
		const char *text;
		if (!as_text(m, v, key, &text))
			return false;
		*to = mem_grow(*to, (n + 2) * sizeof **to);
		(*to)[n++] = mem_dup(text ? text : "");
		(*to)[n] = NULL;
	}
	return true;
}

bool entry_path(const struct entry *m, const char *key, char **to)
{
	const char *text;
	bool ok = entry_text(m, key, &text);
	*to = text ? file_path(text, m->file->dir) : NULL;
	return ok;
}

static bool decode(const struct entry *m, const struct value *v, const char *key, struct secret *to)
{
	size_t room = (size_t)v->len / 4 * 3, len;
	*to = (struct secret){.p = mem_new(room + 1), .n = room};
	if (!base64_decode((uint8_t *)to->p, &len, v->text, v->len))
		return entry_refuse(m, v, "%s is not Base64", key);
	to->n = len;
	return true;
}

static bool read_part(const struct entry *m, const struct value *v, const char *key,
	const char *path, struct secret *to)
{
	struct buf text = {0};
	bool ok = file_read(&text, path, PEM_MAX);
	if (ok)
		secret_set(to, buf_data(&text), buf_len(&text));
	else
		entry_refuse(m, v, "cannot read %s '%s': %s", key, path, strerror(errno));
	buf_free_wiped(&text);
	return ok;
}

bool entry_pem(const struct entry *m, const char *key, struct secret *to, char **file)
{
	char data_key[64];
	const char *data;
	snprintf(data_key, sizeof data_key, "%s-data", key);
	*file = NULL;
	if (!entry_text(m, data_key, &data) || (!data && !entry_path(m, key, file)))
		return false;
	if (!data && !*file)
		return true;
	const struct value *v = value_get(m->map, data ? data_key : key);
	if (!(data ? decode(m, v, data_key, to) : read_part(m, v, key, *file, to)))
		return false;
	return (to->n && !memchr(to->p, '\0', to->n)) ||
	       entry_refuse(m, v, "%s is not PEM", data ? data_key : key);
}
