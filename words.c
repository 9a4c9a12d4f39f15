/* One word at a time into memory of its own, which is never longer than what is
 * left of the text. */
#include "words.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Takes one word off *text into `to`, which has room for all of it. */
static bool take_word(const char **text, char *to, struct err *e)
{
	const char *p = *text;
	char quote = '\0';
	for (; *p && (quote || !is_blank(*p)); p++) {
		bool literal = *p == '\\' && quote != '\'';
		if (literal && !*++p)
			return err_set(e, ERR_LOCAL, 0, "nothing stands behind the last '\\'");
		if (!literal && quote && *p == quote)
			quote = '\0';
		else if (!literal && !quote && (*p == '"' || *p == '\''))
			quote = *p;
		else
			*to++ = *p;
	}
	*to = '\0';
	*text = p + strspn(p, " \t");
	return !quote ||
	       err_set(e, ERR_LOCAL, 0,
		       "a %c is not closed; in quotes, too, a ';' behind a blank begins a comment",
		       quote);
}

char **words_split(const char *text, struct err *e)
{
	char **words = mem_new(sizeof *words);
	bool good = true;
	text += strspn(text, " \t");
	for (size_t n = 0; good && *text; n++) {
		words = mem_grow(words, (n + 2) * sizeof *words);
		words[n] = mem_new(strlen(text) + 1);
		words[n + 1] = NULL;
		good = take_word(&text, words[n], e);
	}
	if (good && (!words[0] || !*words[0]))
		good = err_set(e, ERR_LOCAL, 0, "%s", "");
	if (good)
		return words;
	words_free(words);
	return NULL;
}

void words_free(char **words)
{
	for (char **word = words; word && *word; word++)
		free(*word);
	free(words);
}

bool words_same(char *const *a, char *const *b)
{
	if (!a || !b)
		return a == b;
	for (; *a && *b && !strcmp(*a, *b); a++)
		b++;
	return !*a && !*b;
}
