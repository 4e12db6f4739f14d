/* udp_flood PORT RATE SECONDS: datagrams of 64 bytes to 127.0.0.1, RATE a second, in batches of one
 * call, on a schedule fixed in advance. Prints how many it sent and in how many seconds. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define BATCH 64u

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void wait_until(double when) {
  const struct timespec time = {(time_t)when, (long)((when - (double)(time_t)when) * 1e9)};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL) == EINTR) {
  }
}

int main(int argc, char** argv) {
  if (argc != 4) return fprintf(stderr, "usage: udp_flood PORT RATE SECONDS\n"), 2;
  const double rate = atof(argv[2]), seconds = atof(argv[3]);
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argv[1]))};
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || connect(fd, (struct sockaddr*)&to, sizeof to) != 0) return perror("udp_flood"), 1;
  char payload[64];
  memset(payload, 'f', sizeof payload);
  struct iovec part = {payload, sizeof payload};
  struct mmsghdr batch[BATCH];
  memset(batch, 0, sizeof batch);
  for (unsigned i = 0; i < BATCH; ++i)
    batch[i].msg_hdr.msg_iov = &part, batch[i].msg_hdr.msg_iovlen = 1;
  unsigned long sent = 0;
  const double begun = now();
  for (double due = begun; due < begun + seconds; due += BATCH / rate) {
    if (now() < due) wait_until(due);
    const int count = sendmmsg(fd, batch, BATCH, 0);
    if (count > 0) sent += (unsigned long)count;
  }
  printf("%lu %.3f\n", sent, now() - begun);
  return 0;
}
