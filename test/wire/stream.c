/* Numbered datagrams through a wire, faster than a script can send them.
 *   stream send ADDRESS PER_SECOND SECONDS STREAM CPU   sends from that processor, evenly, and ends
 *   stream receive PORT      for each line with a stream's number on stdin prints what became of that stream
 *   stream freeze TID MS     stops one thread of another process for so long
 *   stream crash PID TID     a fault in that thread, as of a bug in native code
 *   stream inject PORT MARK  sends one frame out of a port, with that mark of the kernel's
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DIE(what) (perror(what), exit(1))
enum { kPort = 7777, kBatch = 64, kStreams = 64, kNumbers = 1 << 21, kBytes = 64 };

struct datagram {
  uint32_t stream, number;
  uint8_t rest[kBytes - 8];
};

static double now_s(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void send_stream(const char* target, uint32_t per_second, double seconds, uint32_t stream, int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  /* From one processor, since the kernel's queues keep no order between two. */
  sched_setaffinity(0, sizeof set, &set);
  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(kPort)};
  inet_pton(AF_INET, target, &to.sin_addr);
  if (connect(fd, (struct sockaddr*)&to, sizeof to)) DIE("connect");
  struct datagram datagrams[kBatch];
  struct iovec parts[kBatch];
  struct mmsghdr messages[kBatch];
  memset(datagrams, 0, sizeof datagrams);
  memset(messages, 0, sizeof messages);
  const uint32_t total = (uint32_t)(per_second * seconds);
  const double started = now_s();
  for (uint32_t sent = 0; sent < total;) {
    uint32_t due = (uint32_t)((now_s() - started) * per_second);
    if (due > total) due = total;
    uint32_t n = due - sent;
    /* What was late is made up for in small portions: a burst would only show how long the kernel's queues are. */
    if (n > kBatch) n = kBatch;
    for (uint32_t i = 0; i < n; i++) {
      datagrams[i].stream = htonl(stream);
      datagrams[i].number = htonl(sent + i);
      parts[i] = (struct iovec){&datagrams[i], kBytes};
      messages[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
    }
    if (n > 0) {
      const int done = sendmmsg(fd, messages, n, 0);
      if (done > 0) sent += (uint32_t)done;
    }
    const struct timespec pause = {0, 200000};
    nanosleep(&pause, NULL);
  }
}

struct fate {
  uint8_t seen[kNumbers / 8];
  uint32_t received, duplicated, late;
  int64_t highest;
};
static struct fate fates[kStreams];

static void note(const struct datagram* datagram) {
  struct fate* fate = &fates[ntohl(datagram->stream) % kStreams];
  const uint32_t number = ntohl(datagram->number) % kNumbers;
  if (fate->received == 0) fate->highest = -1;
  fate->received++;
  if (fate->seen[number / 8] >> number % 8 & 1) fate->duplicated++;
  fate->seen[number / 8] |= (uint8_t)(1u << number % 8);
  if ((int64_t)number < fate->highest) fate->late++;
  if ((int64_t)number > fate->highest) fate->highest = number;
}

static void receive(void) {
  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  const int room = 256 << 20;
  struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(kPort)};
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
  if (bind(fd, (struct sockaddr*)&here, sizeof here)) DIE("bind");
  static struct datagram datagrams[kBatch];
  struct iovec parts[kBatch];
  struct mmsghdr messages[kBatch];
  memset(messages, 0, sizeof messages);
  for (int i = 0; i < kBatch; i++) {
    parts[i] = (struct iovec){&datagrams[i], kBytes};
    messages[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
  }
  puts("ready"), fflush(stdout);
  for (;;) {
    struct pollfd on[2] = {{fd, POLLIN, 0}, {0, POLLIN, 0}};
    poll(on, 2, -1);
    if (on[0].revents & POLLIN) {
      const int n = recvmmsg(fd, messages, kBatch, MSG_DONTWAIT, NULL);
      for (int i = 0; i < n; i++)
        if (messages[i].msg_len == kBytes) note(&datagrams[i]);
    }
    if (on[1].revents == 0) continue;
    char line[32];
    if (!fgets(line, sizeof line, stdin)) return;
    const struct fate* fate = &fates[atoi(line) % kStreams];
    printf("{\"received\": %u, \"duplicated\": %u, \"late\": %u}\n", fate->received, fate->duplicated, fate->late);
    fflush(stdout);
  }
}

static void freeze(int tid, int ms) {
  if (ptrace(PTRACE_SEIZE, tid, 0, 0) || ptrace(PTRACE_INTERRUPT, tid, 0, 0)) DIE("freeze");
  int status;
  waitpid(tid, &status, __WALL);
  puts("frozen"), fflush(stdout);
  const struct timespec pause = {ms / 1000, ms % 1000 * 1000000L};
  nanosleep(&pause, NULL);
  ptrace(PTRACE_DETACH, tid, 0, 0);
}

static void inject(const char* port, uint32_t mark) {
  const int fd = socket(AF_PACKET, SOCK_RAW, 0);
  const struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_ifindex = (int)if_nametoindex(port)};
  uint8_t frame[ETH_ZLEN] = {2, [6] = 2, [11] = 1, [12] = 0x88, [13] = 0xb5};
  if (setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof mark)) DIE("SO_MARK");
  /* The kernel says ENOBUFS of what a program at the port has taken away. */
  const int sent = sendto(fd, frame, sizeof frame, 0, (const struct sockaddr*)&to, sizeof to) == sizeof frame;
  puts(sent ? "sent" : "held back");
}

int main(int argc, char** argv) {
  const char* mode = argc > 1 ? argv[1] : "";
  setvbuf(stdin, NULL, _IONBF, 0);
  if (!strcmp(mode, "send") && argc == 7)
    send_stream(argv[2], (uint32_t)atoi(argv[3]), atof(argv[4]), (uint32_t)atoi(argv[5]), atoi(argv[6]));
  else if (!strcmp(mode, "receive")) receive();
  else if (!strcmp(mode, "freeze") && argc == 4) freeze(atoi(argv[2]), atoi(argv[3]));
  else if (!strcmp(mode, "inject") && argc == 4) inject(argv[2], (uint32_t)strtoul(argv[3], NULL, 0));
  else if (!strcmp(mode, "crash") && argc == 4) return syscall(SYS_tgkill, atoi(argv[2]), atoi(argv[3]), SIGSEGV) != 0;
  else return 2;
  return 0;
}
