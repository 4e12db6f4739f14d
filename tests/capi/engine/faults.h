/* System calls that fail, and name servers that behave as told: the test program defines these
 * functions itself, in front of the C library's. */
#ifndef SKYLOOM_TESTS_FAULTS_H
#define SKYLOOM_TESTS_FAULTS_H

/* The next `count` calls of this function fail with `code`. */
void fail_accepts(int count, int code);
void fail_sends(int count, int code);
void fail_receives(int count, int code);
int failed_calls(void); /* how many have failed so far */

/* Names, beside "localhost" and the numeric ones; any other does not exist: "hang.test" has no
 * answer before let_names_go(), and then the address 127.0.0.1; "two.test" has the addresses
 * 127.0.0.2 and 127.0.0.1. */
void let_names_go(void);
int hanging_names(void);

#endif
