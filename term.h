/* The terminal: taken over, read and written without ever waiting, and given back as it
 * was on every way out.
 *
 * There is one: the process's own, by /dev/tty, opened anew, so that the shell's stdin
 * does not become non-blocking.  Knows nothing of what is shown: see screen.h.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "err.h"
#include "keypress.h"

/* Called from the loop; each may call term_close(). */
struct term_user {
	void (*key)(uint32_t key); /* as keypress.h has them; Ctrl+C and Ctrl+Z are keys */
	void (*anew)(void);        /* another size, or all that was shown is lost: draw it all */
	void (*ready)(void);       /* the frame is out that term_frame() returned NULL for */
	void (*gone)(void);        /* hung up: nothing can be shown any more.  Close it */
};

/* Takes the terminal over: raw mode, alternate screen, no cursor, no wrapping of lines,
 * marks around what is pasted.
 * `user` is to live until term_close().  To be called when the loop runs or is about to.
 *
 * False, with *e set, where there is none to take: TERM is empty or "dumb", the process
 * has no terminal, or is in its background.
 *
 * From then on the terminal is given back as it was by term_close(), by exit(3), and by
 * each signal that ends the process and is not blocked or handled otherwise: SIGSEGV,
 * SIGABRT and their like, which then do what they did before.  Forked children do not.
 *
 * SIGTSTP, SIGTTIN and SIGTTOU are blocked from the first call on: nobody can stop the
 * forwards by them.  SIGTSTP is ignored, too, and so it is by children.  After SIGSTOP and
 * SIGCONT the terminal is taken over again; but while the process is in the background
 * (`bg`) it is left alone, with a look twice a second whether that is so still. */
bool term_open(const struct term_user *user, struct err *e);
bool term_is_open(void);

/* Gives it back.  Harmless when it is not open. */
void term_close(void);

/* Gives it back for a while (a program is to ask there), and takes it over again: then
 * anew() is called.  Both harmless when it is not open, or not as they want it. */
void term_pause(void);
void term_resume(void);

/* Its size now; 80 and 24 where it has none. */
void term_size(unsigned *columns, unsigned *rows);

/* The frame to be put together, empty; term_send() writes it by one write(2), if it is
 * not empty still.  NULL while the one before it is not all written, since the terminal
 * is slow: ready() tells the end of that, and so what is drawn is always the newest; and
 * while the terminal is not ours, where anew() will be called.
 *
 *	struct buf *frame = term_frame();
 *	if (!frame)
 *		return;
 *	... screen_begin(), ... screen_changes(&Screen, frame);
 *	term_send();
 */
struct buf *term_frame(void);
void term_send(void);

/* What the environment says: that characters are UTF-8 (LC_ALL, LC_CTYPE, LANG: the first
 * that is not empty), and that colours are welcome (NO_COLOR is unset or empty). */
bool term_has_utf8(void);
bool term_has_color(void);
