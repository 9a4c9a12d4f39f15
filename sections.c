/* One pass over what inifile.c tells.  A section or line that is refused says so
 * once: what follows from it is passed over.
 */
#include "sections.h"

#include <stdlib.h>
#include <string.h>

#include "inifile.h"
#include "mem.h"
#include "nearest.h"

enum { CAP_MIN = 16 };

static struct place at(const struct sections *s, unsigned line)
{
	return (struct place){s->file, line};
}

static struct section *last_section(const struct sections *s)
{
	return s->count ? &s->all[s->count - 1] : NULL;
}

/* Too many of them are told first: what else is wrong may come of that. */
static void tell_full(struct sections *s)
{
	if (!s->full)
		problems_add(s->problems, at(s, 0),
			"there are more than %d sections: the rest is not read", SECTIONS_MAX);
	s->full = true;
}

/* Of no kind yet; NULL if there are too many. */
static struct section *add_section(struct sections *s, unsigned line, const char *head)
{
	if (s->count == SECTIONS_MAX) {
		tell_full(s);
		return NULL;
	}
	if (s->count == s->cap) {
		s->cap = s->cap ? s->cap * 2 : CAP_MIN;
		s->all = mem_grow(s->all, s->cap * sizeof *s->all);
	}
	s->all[s->count] = (struct section){.head = mem_dup(head), .line = line};
	return &s->all[s->count++];
}

/* "[porter], [cluster NAME] and [forward NAME]" */
static void put_forms(struct buf *out, const struct sections *s)
{
	for (size_t i = 0; i < s->kind_count; i++) {
		const char *before = i + 1 < s->kind_count ? ", " : " and ";
		buf_print(out, "%s[%s]", i ? before : "", s->kinds[i].form);
	}
	buf_put(out, "", 1);
}

static void unknown_section(struct sections *s, const struct section *own, const char *word)
{
	struct nearest best = nearest_to(word);
	const struct kind *kind = NULL;
	struct buf forms = {0};
	for (size_t i = 0; i < s->kind_count; i++)
		if (nearest_consider(&best, s->kinds[i].name))
			kind = &s->kinds[i];
	problems_add(s->problems, at(s, own->line), "unknown section [%s]", own->head);
	put_forms(&forms, s);
	if (kind)
		problems_remedy(s->problems, "did you mean [%s]?", kind->form);
	else
		problems_remedy(s->problems, "there are %s", (const char *)buf_data(&forms));
	buf_free(&forms);
}

struct section *sections_find(const struct sections *s, const struct kind *kind, const char *label)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->all[i].kind == kind && !strcmp(s->all[i].label, label))
			return &s->all[i];
	return NULL;
}

static void check_unique(struct sections *s, const struct section *own)
{
	const struct section *first = sections_find(s, own->kind, own->label);
	if (first != own)
		problems_add(s->problems, at(s, own->line), "[%s] is there twice, first in line %u",
			own->head, first->line);
}

static void on_section(void *owner, unsigned line, const char *head)
{
	struct sections *s = owner;
	struct section *own = add_section(s, line, head);
	if (!own)
		return;
	for (char *tab = own->head; (tab = strchr(tab, '\t'));)
		*tab = ' '; /* names are shown */
	size_t n = strcspn(own->head, " ");
	own->label = own->head + n + strspn(own->head + n, " ");
	char *word = mem_dup_n(own->head, n);
	for (size_t i = 0; i < s->kind_count; i++)
		if (!strcmp(word, s->kinds[i].name) &&
			s->kinds[i].has_label == (*own->label != '\0'))
			own->kind = &s->kinds[i];
	if (own->kind)
		check_unique(s, own);
	else
		unknown_section(s, own, word);
	free(word);
}

/* The form of the first kind of section that has such a key; or NULL. */
static const char *home_of(const struct sections *s, const char *name)
{
	for (size_t k = 0; k < s->kind_count; k++)
		for (size_t i = 0; i < s->kinds[k].key_count; i++)
			if (!strcmp(s->kinds[k].keys[i].name, name))
				return s->kinds[k].form;
	return NULL;
}

/* What an unknown key is taken for is not missing as well. */
static void unknown_key(struct sections *s, struct section *own, unsigned line, const char *name)
{
	struct nearest best = nearest_to(name);
	struct setting *meant = NULL;
	for (size_t i = 0; i < own->kind->key_count; i++)
		if (!own->value[i].line && nearest_consider(&best, own->kind->keys[i].name))
			meant = &own->value[i];
	problems_add(s->problems, at(s, line), "unknown key '%s' in [%s]", name, own->head);
	const char *home = home_of(s, name);
	if (meant) {
		meant->line = line;
		problems_remedy(s->problems, "did you mean '%s'?", best.word);
	} else if (home) {
		problems_remedy(s->problems, "it belongs in [%s]", home);
	}
}

static void before_all_sections(struct sections *s, unsigned line, const char *name)
{
	problems_add(s->problems, at(s, line), "key '%s' stands before the first [section]", name);
	add_section(s, line, ""); /* so that it is said once */
}

static void on_key(void *owner, unsigned line, const char *name, const char *text)
{
	struct sections *s = owner;
	if (s->full)
		return;
	if (!s->count) {
		before_all_sections(s, line, name);
		return;
	}
	struct section *own = last_section(s);
	size_t i = 0, count = own->kind ? own->kind->key_count : 0;
	while (i < count && strcmp(name, own->kind->keys[i].name))
		i++;
	if (i < count && own->value[i].text)
		problems_add(s->problems, at(s, line),
			"key '%s' is there twice in [%s], first in line %u", name, own->head,
			own->value[i].line);
	else if (i < count)
		own->value[i] = (struct setting){mem_dup(text), line};
	else if (own->kind)
		unknown_key(s, own, line, name);
}

static void on_fault(void *owner, unsigned line, const char *why, bool section)
{
	struct sections *s = owner;
	struct section *own = last_section(s);
	problems_add(s->problems, at(s, line), "%s", why);
	if (section)
		add_section(s, line, ""); /* the keys behind it are not the last one's */
	else if (own)
		own->spoilt = true;
}

void sections_read(struct sections *s, const char *text, size_t bytes)
{
	static const struct inifile_ops Ops = {on_section, on_key, on_fault};
	inifile_read(text, bytes, &Ops, s);
}

void sections_free(struct sections *s)
{
	for (size_t i = 0; i < s->count; i++) {
		free(s->all[i].head);
		for (size_t k = 0; k < SECTIONS_KEYS_MAX; k++)
			free(s->all[i].value[k].text);
	}
	free(s->all);
	s->all = NULL;
	s->count = s->cap = 0;
	s->full = false;
}
