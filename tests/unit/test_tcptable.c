/* tcptable.c on real sockets: both of its readers have to tell the same of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tcptable.h"
#include "test_tcptable.h"

/* The row of one socket, picked by its inode. */
struct pick {
	unsigned long inode;
	struct tcptable_row row;
	unsigned seen;
};

static struct pick pick_of(int fd)
{
	struct stat st;
	assert_int_equal(fstat(fd, &st), 0);
	return (struct pick){.inode = st.st_ino};
}

static void on_row(void *owner, const struct tcptable_row *row)
{
	struct pick *p = owner;
	if (row->inode != p->inode)
		return;
	p->row = *row;
	p->seen++;
}

static bool ask(tcptable_visit *visit, void *owner)
{
	return tcptable_ask(~0u, visit, owner);
}

static bool (*const Readers[])(tcptable_visit *, void *) = {ask, tcptable_read};

static void tells_of(const char *address, bool v6only)
{
	struct sockaddr_storage at = address_of(address, 0);
	int fd = listen_at(&at, v6only);
	for (size_t i = 0; i < sizeof Readers / sizeof *Readers; i++) {
		struct pick p = pick_of(fd);
		assert_true(Readers[i](on_row, &p));
		assert_int_equal(p.seen, 1);
		assert_same_address(&p.row.own, &at);
		assert_int_equal(p.row.state, TCP_LISTEN);
		assert_int_equal(p.row.uid, getuid());
		if (Readers[i] == ask)
			assert_int_equal(p.row.v6only, v6only);
	}
	close(fd);
}

static void tells_of_sockets_of_ipv4(void **state)
{
	(void)state;
	tells_of("127.0.0.1", false);
	tells_of("127.1.2.3", false);
	tells_of("0.0.0.0", false);
}

static void tells_of_sockets_of_ipv6(void **state)
{
	(void)state;
	if (!has_ipv6())
		skip();
	tells_of("::1", true);
	tells_of("::", true);
	tells_of("::", false);
	tells_of("::ffff:127.0.0.1", false);
}

static void asks_for_the_states_that_are_meant(void **state)
{
	struct sockaddr_storage at = address_of("127.0.0.1", 0);
	(void)state;
	int fd = listen_at(&at, false);
	struct pick p = pick_of(fd);
	assert_true(tcptable_ask(~(1u << TCP_LISTEN), on_row, &p));
	assert_int_equal(p.seen, 0);
	assert_true(tcptable_ask(1u << TCP_LISTEN, on_row, &p));
	assert_int_equal(p.seen, 1);
	close(fd);
}

/* More rows than one answer of the kernel holds. */
static void reads_a_table_of_several_parts(void **state)
{
	enum { MANY = 400 };
	static int fd[MANY];
	(void)state;
	for (int i = 0; i < MANY; i++) {
		struct sockaddr_storage at = address_of("127.0.0.1", 0);
		fd[i] = listen_at(&at, false);
	}
	for (size_t i = 0; i < sizeof Readers / sizeof *Readers; i++) {
		struct pick first = pick_of(fd[0]), last = pick_of(fd[MANY - 1]);
		assert_true(Readers[i](on_row, &first));
		assert_true(Readers[i](on_row, &last));
		assert_int_equal(first.seen, 1);
		assert_int_equal(last.seen, 1);
	}
	for (int i = 0; i < MANY; i++)
		close(fd[i]);
}

static void tells_where_the_kernel_does_not_answer(void **state)
{
	int status;
	(void)state;
	pid_t child = fork();
	if (!child) {
		struct pick p = {0};
		refuse_netlink();
		_exit(tcptable_ask(~0u, on_row, &p) ? 1 : !tcptable_read(on_row, &p));
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void finds_a_connection_by_its_ends(void **state)
{
	struct sockaddr_storage at = address_of("127.0.0.1", 0), own;
	struct tcptable_row row = {0};
	(void)state;
	int listener = listen_at(&at, false), client = connect_to(&at, &own);
	struct pick p = pick_of(client);
	assert_int_equal(tcptable_find(&own, &at, &row), TCPTABLE_FOUND);
	assert_int_equal(row.inode, p.inode);
	assert_int_equal(row.state, TCP_ESTABLISHED);
	assert_same_address(&row.own, &own);
	assert_int_equal(tcptable_find(&own, &own, &row), TCPTABLE_ABSENT);
	close(client);
	close(listener);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tells_of_sockets_of_ipv4),
		cmocka_unit_test(tells_of_sockets_of_ipv6),
		cmocka_unit_test(asks_for_the_states_that_are_meant),
		cmocka_unit_test(reads_a_table_of_several_parts),
		cmocka_unit_test(tells_where_the_kernel_does_not_answer),
		cmocka_unit_test(finds_a_connection_by_its_ends),
	};
	return cmocka_run_group_tests_name("tcptable", tests, own_network, NULL);
}
