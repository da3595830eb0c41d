/* Delays the packets that are routed into a TUN device: reads them, holds each for a time, writes them back.
 * The laboratory's stand-in for a long path, since the kernel has no netem here.
 * Usage: delay-relay DEVICE MICROSECONDS */
#define _GNU_SOURCE /* ppoll */
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { kSlots = 4096, kPacketMax = 2048 };

struct Held {
  int64_t due_ns;
  ssize_t length;
  uint8_t bytes[kPacketMax];
};

static struct Held queue[kSlots]; /* A ring in order of arrival: the delay is the same for all. */

static int64_t Now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static int OpenTun(const char *name) {
  int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
  struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
  strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0) {
    perror(name);
    exit(1);
  }
  return fd;
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  int fd = OpenTun(argv[1]);
  int64_t delay_ns = atoll(argv[2]) * 1000;
  unsigned head = 0, tail = 0;
  for (;;) {
    struct timespec wait = {.tv_sec = 3600};
    if (head != tail) {
      int64_t left = queue[head % kSlots].due_ns - Now();
      if (left < 0) left = 0;
      wait.tv_sec = left / 1000000000;
      wait.tv_nsec = left % 1000000000;
    }
    struct pollfd readable = {.fd = fd, .events = POLLIN};
    if (ppoll(&readable, 1, &wait, NULL) < 0) return 1;
    if (readable.revents & POLLIN) {
      struct Held *held = &queue[tail % kSlots];
      held->length = read(fd, held->bytes, kPacketMax);
      held->due_ns = Now() + delay_ns;
      if (held->length > 0 && tail - head < kSlots - 1) tail++;
    }
    while (head != tail && queue[head % kSlots].due_ns <= Now()) {
      struct Held *held = &queue[head++ % kSlots];
      if (write(fd, held->bytes, held->length) < 0) perror("write");
    }
  }
}
