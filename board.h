/* What the screen shows, and what each key does there: the table of forwards, the details
 * of one, the log, help; a filter, a prompt, and words for whoever sits there.
 *
 * Knows no terminal: frames are put together in a screen.h, and keys come one by one.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "manager.h"
#include "screen.h"

struct board;

/* What is for others to do.  Each may call board_say(), and free what it frees later. */
struct board_ops {
	void (*quit)(void *owner);
	void (*reload)(void *owner);

	/* Stops a forward, and starts it again.  False, with the cause appended to *errors. */
	bool (*stop)(void *owner, struct forward *f, struct buf *errors);
	bool (*start)(void *owner, struct forward *f, struct buf *errors);

	/* Adds forwards, as "svc/api 8080:80" names them, in the cluster and namespace of
	 * the one called `beside` (a section's name; NULL: there is none), unless the words
	 * say otherwise.  False, with a line for each cause appended to *errors. */
	bool (*add)(void *owner, const char *words, const char *beside, struct buf *errors);

	/* Writes those that were added to the configuration's file, and says so or why not. */
	void (*save)(void *owner);
};

/* What it has must outlive the board. */
struct board_spec {
	struct manager *manager;
	const struct board_ops *ops;
	void *owner;
};

struct board *board_new(const struct board_spec *spec);
void board_free(struct board *b);

/* A key of keypress.h.  Pasted characters are for prompts only. */
void board_key(struct board *b, uint32_t key);

/* Lines for whoever sits there, at the foot of the screen until the next key; "": none. */
void board_say(struct board *b, enum style style, const char *text);

/* Puts a frame together in *s, as things are now. */
void board_draw(struct board *b, struct screen *s, unsigned columns, unsigned rows);

/* Whether what was drawn last changes by itself, as seconds do; and by lines of the log. */
bool board_counts(const struct board *b);
bool board_shows_log(const struct board *b);
