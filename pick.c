/* What is not meant is freed, and what is kept moves up in the arrays. */
#include "pick.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "adhoc.h"
#include "mem.h"
#include "nearest.h"

enum { LIST_MAX = 300 }; /* bytes */

static bool names_any(const char *const *words)
{
	return words && *words;
}

static bool is_in(const char *word, const char *const *words)
{
	for (; words && *words; words++)
		if (!strcmp(*words, word))
			return true;
	return false;
}

static bool is_meant(const struct config_forward *f, const struct config_pick *pick)
{
	for (char **profile = f->profiles; profile && *profile; profile++)
		if (is_in(*profile, pick->profiles))
			return true;
	return is_in(f->name, pick->names);
}

/* ---- what no forward has ---- */

/* What there is of one kind: all names, or all profiles, each once. */
struct words {
	const char **all; /* ends with NULL; the words are the configuration's */
	size_t count;
};

static void add_word(struct words *w, const char *word)
{
	if (is_in(word, w->all))
		return;
	w->all = mem_grow(w->all, (w->count + 2) * sizeof *w->all);
	w->all[w->count++] = word;
	w->all[w->count] = NULL;
}

static struct words names_of(const struct config *c)
{
	struct words w = {0};
	for (size_t i = 0; i < c->forward_count; i++)
		add_word(&w, c->forwards[i].name);
	return w;
}

static struct words profiles_of(const struct config *c)
{
	struct words w = {0};
	for (size_t i = 0; i < c->forward_count; i++)
		for (char **p = c->forwards[i].profiles; p && *p; p++)
			add_word(&w, *p);
	return w;
}

/* "there are: api, web"; those that there is no room for are counted. */
static void tell_words(struct problems *problems, const struct words *w)
{
	struct buf list = {0};
	size_t i = 0;
	for (; i < w->count && buf_len(&list) + strlen(w->all[i]) < LIST_MAX; i++)
		buf_print(&list, "%s%s", i ? ", " : "", w->all[i]);
	if (i < w->count)
		buf_print(&list, ", and %zu more", w->count - i);
	problems_remedy(problems, w->count > 1 ? "there are: %.*s" : "there is: %.*s",
		(int)buf_len(&list), (const char *)buf_data(&list));
	buf_free(&list);
}

/* Tells those that no forward has, as its name or as a profile. */
static void check_words(struct problems *problems, const char *file, const char *const *asked,
	const struct words *w, bool names)
{
	const char *what = names ? "is called" : "has the profile";
	for (; asked && *asked; asked++) {
		struct nearest best = nearest_to(*asked);
		if (is_in(*asked, w->all))
			continue;
		for (size_t i = 0; i < w->count; i++)
			nearest_consider(&best, w->all[i]);
		problems_add(problems, (struct place){file, 0}, "no forward %s '%s'", what, *asked);
		if (best.word)
			problems_remedy(problems, "did you mean '%s'?", best.word);
		if (w->count)
			tell_words(problems, w);
		if (names && strchr(*asked, '/'))
			problems_remedy(problems, "without a file, types are " ADHOC_TYPES);
	}
}

static void check(const struct config *c, const struct config_pick *pick, struct problems *problems)
{
	struct words names = names_of(c), profiles = profiles_of(c);
	check_words(problems, c->path, pick->names, &names, true);
	check_words(problems, c->path, pick->profiles, &profiles, false);
	free(names.all);
	free(profiles.all);
}

/* ---- what is kept ---- */

static void keep_forwards(struct config *c, const struct config_pick *pick)
{
	size_t kept = 0;
	for (size_t i = 0; i < c->forward_count; i++)
		if (is_meant(&c->forwards[i], pick))
			c->forwards[kept++] = c->forwards[i];
		else
			config_forward_free(&c->forwards[i]);
	c->forward_count = kept;
}

static void keep_clusters(struct config *c)
{
	size_t kept = 0;
	for (unsigned i = 0; i < c->cluster_count; i++) {
		bool used = false;
		for (size_t k = 0; k < c->forward_count; k++)
			if (c->forwards[k].cluster == i) {
				c->forwards[k].cluster = (unsigned)kept;
				used = true;
			}
		if (used)
			c->clusters[kept++] = c->clusters[i];
		else
			config_cluster_free(&c->clusters[i]);
	}
	c->cluster_count = kept;
}

void pick_apply(struct config *c, const struct config_pick *pick, struct problems *problems)
{
	if (!pick || (!names_any(pick->names) && !names_any(pick->profiles)))
		return;
	check(c, pick, problems);
	keep_forwards(c, pick);
	keep_clusters(c);
}
