/* Every file is read, and each kept as it is: merging is a matter of whom to ask first. */
#include "kubefiles.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "entry.h"
#include "file.h"
#include "mem.h"
#include "yaml.h"

enum { FILE_MAX = 16 << 20, NAMES_MAX = 300 };

static const char Home[] = "~/.kube/config";

/* ---- one file ---- */

/* The parser says "line 3: what"; here it becomes "FILE:3: what". */
static bool parse(struct kubefile *f, const struct buf *text, struct err *e)
{
	struct err own = {0};
	if (yaml_parse(&f->doc, (const char *)buf_data(text), buf_len(text), &own))
		return true;
	return err_set(e, own.kind, 0, "%s:%s", f->path, own.text + strlen("line "));
}

/* An empty file is a kubeconfig that says nothing. */
static bool check_kind(const struct kubefile *f, struct err *e)
{
	static const struct {
		const char *key, *want;
	} Kinds[] = {{"kind", "Config"}, {"apiVersion", "v1"}};
	struct entry root = {f, f->doc.root, e};
	if (root.map->type != VALUE_MAP && root.map->type != VALUE_NULL)
		return entry_refuse(&root, NULL, "this is not a kubeconfig");
	for (size_t i = 0; i < sizeof Kinds / sizeof *Kinds; i++) {
		const char *key = Kinds[i].key, *text;
		if (!entry_text(&root, key, &text))
			return false;
		if (text && strcmp(text, Kinds[i].want) != 0)
			return entry_refuse(&root, value_get(root.map, key),
				"this is not a kubeconfig: its %s is '%s'", key, text);
	}
	return true;
}

static bool read_file(struct kubefile *f, struct err *e)
{
	struct buf text = {0};
	bool ok = file_read(&text, f->path, FILE_MAX);
	if (!ok)
		err_set(e, ERR_LOCAL, errno, "cannot read kubeconfig '%s': %s", f->path,
			strerror(errno));
	ok = ok && parse(f, &text, e) && check_kind(f, e);
	buf_free_wiped(&text);
	return ok;
}

static void free_file(struct kubefile *f)
{
	document_free(&f->doc);
	free(f->path);
	free(f->dir);
}

/* ---- all of them ---- */

static bool is_named(const struct kubefiles *all, const char *path)
{
	for (char **name = all->names; *name; name++)
		if (!strcmp(*name, path))
			return true;
	return false;
}

/* Takes `path` over. */
static void add_name(struct kubefiles *all, char *path)
{
	size_t n = 0;
	while (all->names && all->names[n])
		n++;
	all->names = mem_grow(all->names, (n + 2) * sizeof *all->names);
	all->names[n] = path;
	all->names[n + 1] = NULL;
}

/* Names between colons, empty ones passed over, and those that occurred before. */
static void add_listed(struct kubefiles *all, const char *list)
{
	for (size_t n; *list; list += n + (list[n] == ':')) {
		n = strcspn(list, ":");
		char *name = mem_dup_n(list, n), *path = file_path(name, NULL);
		free(name);
		if (n && !is_named(all, path))
			add_name(all, path);
		else
			free(path);
	}
}

static void find_names(struct kubefiles *all, const char *path, const char *list)
{
	all->names = mem_new(sizeof *all->names);
	if (path)
		add_name(all, mem_dup(path));
	else if (list && *list)
		add_listed(all, list);
	else
		add_name(all, file_path(Home, NULL));
}

/* Whether the file counts: with `optional` one that is missing does not. */
static bool add_file(struct kubefiles *all, const char *path, bool optional, struct err *e)
{
	struct err own = {0};
	struct kubefile f = {.path = mem_dup(path), .dir = file_folder(path)};
	if (read_file(&f, &own)) {
		all->file = mem_grow(all->file, (all->count + 1) * sizeof f);
		all->file[all->count++] = f;
		return true;
	}
	free_file(&f);
	return (optional && own.code == ENOENT) || err_set(e, own.kind, own.code, "%s", own.text);
}

static bool refuse_none(const struct kubefiles *all, const char *list, struct err *e)
{
	if (!list || !*list)
		return err_set(e, ERR_NOT_FOUND, ENOENT,
			"no kubeconfig: KUBECONFIG is not set, and %s: %s", all->names[0],
			strerror(ENOENT));
	return err_set(e, ERR_NOT_FOUND, ENOENT,
		"no kubeconfig: KUBECONFIG names no file that is there: '%s'", list);
}

bool kubefiles_load(struct kubefiles *all, const char *path, struct err *e)
{
	const char *list = getenv("KUBECONFIG");
	bool ok = true;
	find_names(all, path, list);
	for (char **name = all->names; ok && *name; name++)
		ok = add_file(all, *name, !path, e);
	if (ok && !all->count)
		ok = refuse_none(all, list, e);
	if (!ok)
		kubefiles_free(all);
	return ok;
}

void kubefiles_free(struct kubefiles *all)
{
	for (size_t i = 0; i < all->count; i++)
		free_file(&all->file[i]);
	for (char **name = all->names; name && *name; name++)
		free(*name);
	free(all->file);
	free(all->names);
	*all = (struct kubefiles){0};
}

const char *kubefiles_name(const struct kubefiles *all)
{
	return all->count == 1 ? all->file[0].path : "$KUBECONFIG";
}

/* ---- names ---- */

/* "a, b, c": the names in the files' lists, for a message; or "none". */
static void put_names(struct buf *out, const struct kubefiles *all, const char *plural)
{
	for (size_t i = 0; i < all->count; i++) {
		const struct value *list = value_get(all->file[i].doc.root, plural);
		for (const struct value *v = value_first(list); v; v = value_next(list, v)) {
			const char *name = value_text(value_get(v, "name"));
			if (name && buf_len(out) < NAMES_MAX)
				buf_print(out, "%s'%s'", buf_len(out) ? ", " : "", name);
		}
	}
	if (!buf_len(out))
		buf_print(out, "none");
}

static bool refuse_unknown(
	const struct kubefiles *all, const char *what, const char *name, struct err *e)
{
	char plural[16];
	struct buf names = {0};
	snprintf(plural, sizeof plural, "%ss", what);
	put_names(&names, all, plural);
	err_set(e, ERR_NOT_FOUND, 0, "%s: there is no %s '%s'; there is: %.*s", kubefiles_name(all),
		what, name, (int)buf_len(&names), (const char *)buf_data(&names));
	buf_free(&names);
	return false;
}

/* The item of that name in one file, or NULL. */
static bool find_item(const struct kubefile *f, const char *what, const char *name,
	const struct value **item, struct err *e)
{
	char plural[16];
	struct entry root = {f, f->doc.root, e};
	const struct value *list;
	snprintf(plural, sizeof plural, "%ss", what);
	*item = NULL;
	if (!entry_list(&root, plural, &list))
		return false;
	for (const struct value *v = value_first(list); v; v = value_next(list, v)) {
		struct entry one = {f, v, e};
		const char *own;
		if (!entry_text(&one, "name", &own))
			return false;
		if (!own || strcmp(own, name) != 0)
			continue;
		if (*item)
			return entry_refuse(&one, v, "there are two %s called '%s'", plural, name);
		*item = v;
	}
	return true;
}

/* The files behind the one that has it are looked at, too: a name that one of them has
 * twice is wrong, as it is for kubectl. */
bool kubefiles_find(const struct kubefiles *all, const char *what, const char *name,
	struct entry *found, struct err *e)
{
	const struct value *item = NULL;
	for (size_t i = 0; i < all->count; i++) {
		const struct value *own;
		if (!find_item(&all->file[i], what, name, &own, e))
			return false;
		if (item || !own)
			continue;
		item = own;
		*found = (struct entry){&all->file[i], item, e};
	}
	if (!item)
		return refuse_unknown(all, what, name, e);
	struct entry whole = *found;
	return entry_map(&whole, what, found);
}

bool kubefiles_current(const struct kubefiles *all, const char **name, struct err *e)
{
	*name = NULL;
	for (size_t i = 0; i < all->count && !*name; i++) {
		struct entry root = {&all->file[i], all->file[i].doc.root, e};
		if (!entry_text(&root, "current-context", name))
			return false;
	}
	return *name || err_set(e, ERR_LOCAL, 0, "%s: there is no current-context: name a context",
				kubefiles_name(all));
}
