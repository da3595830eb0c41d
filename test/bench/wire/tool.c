/* What the wire bench needs beside headgate: a generator inside the kernel, sinks, the barest forwarders, ping-pong.
 *   tool generate IFACE SECONDS LENGTH RATE OBJECT
 *                                         sends TCP frames of LENGTH bytes, 66 at least, or of mixed lengths with 0, RATE
 *                                         a second or flat out with 0 (BPF_PROG_TEST_RUN, live frames), of as many
 *                                         sessions as OBJECT (generate.bpf.c) makes of them
 *   tool sink IFACE                       drops what arrives by XDP until it is killed
 *   tool redirect tc|xdp IFACE IFACE      forwards both ways by bpf_redirect until it is killed
 *   tool forward IFACE IFACE              forwards both ways by AF_PACKET rings without any work until it is killed
 *   tool echo                             answers datagrams on port 7000 until it is killed
 *   tool ping ADDRESS SECONDS             prints the median and the 99th percentile round trip in nanoseconds
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define DIE(what) (perror(what), exit(1))

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t cpu_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int index_of(const char* name) {
  const int index = (int)if_nametoindex(name);
  if (index == 0) DIE(name);
  return index;
}

/* A program that returns `verdict`. */
static int verdict_program(enum bpf_prog_type type, int verdict) {
  const struct bpf_insn code[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = verdict},
                                  {.code = BPF_JMP | BPF_EXIT}};
  const int program = bpf_prog_load(type, "verdict", "Apache-2.0", code, 2, NULL);
  if (program < 0) DIE("loading a verdict");
  return program;
}

/* A program that redirects everything to `index`. */
static int redirect_program(enum bpf_prog_type type, int index) {
  const struct bpf_insn code[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 1, .imm = index},
                                  {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 2, .imm = 0},
                                  {.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_redirect},
                                  {.code = BPF_JMP | BPF_EXIT}};
  const int program = bpf_prog_load(type, "redirect", "Apache-2.0", code, 4, NULL);
  if (program < 0) DIE("loading a redirect");
  return program;
}

static void attach_xdp(int index, int program) {
  if (bpf_xdp_attach(index, program, XDP_FLAGS_DRV_MODE, NULL) != 0) DIE("attaching XDP");
}

static void attach_tc(int index, int program) {
  LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = index, .attach_point = BPF_TC_INGRESS);
  LIBBPF_OPTS(bpf_tc_opts, options, .prog_fd = program);
  bpf_tc_hook_create(&hook);
  if (bpf_tc_attach(&hook, &options) != 0) DIE("attaching tc");
}

/* The ones' complement sum of `length` bytes, big-endian words. */
static uint32_t sum_of(const uint8_t* bytes, unsigned length, uint32_t sum) {
  for (unsigned i = 0; i + 1 < length; i += 2) sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
  if (length & 1) sum += (uint32_t)bytes[length - 1] << 8;
  return sum;
}

static void put_checksum(uint8_t* at, uint32_t sum) {
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  at[0] = (uint8_t)(~sum >> 8);
  at[1] = (uint8_t)~sum;
}

static void generate(const char* name, double seconds, unsigned length, unsigned rate, const char* path) {
  static uint8_t frame[2048];
  uint8_t *ip = frame + 14, *tcp = frame + 34;
  const int is_mixed = length == 0;
  if (is_mixed) length = 1514;
  memcpy(frame, "\x02\x00\x5e\x00\x53\x02\x02\x00\x5e\x00\x53\x01\x08\x00\x45", 15);
  ip[2] = (uint8_t)((length - 14) >> 8);
  ip[3] = (uint8_t)(length - 14);
  memcpy(ip + 8, "\x40\x06\x00\x00\x0a\x4d\x00\x01\x0a\x80\x00\x01", 12);
  put_checksum(ip + 10, sum_of(ip, 20, 0));
  /* An acknowledgement with timestamps, and with a payload where there is room. */
  memcpy(tcp, "\x04\x00\x00\x50\x00\x00\x10\x00\x00\x00\x20\x00\x80\x10\x01\x00\x00\x00\x00\x00\x01\x01\x08\x0a\x00\x00\x00\x01\x00\x00\x00\x01", 32);
  put_checksum(tcp + 16, sum_of(tcp, length - 34, sum_of(ip + 12, 8, 6 + length - 34)));
  struct bpf_object* object = bpf_object__open_file(path, NULL);
  if (!object || bpf_object__load(object)) DIE("loading the generator");
  const int program = bpf_program__fd(bpf_object__find_program_by_name(object, "next_session"));
  struct xdp_md context = {.data_end = length, .ingress_ifindex = (uint32_t)index_of(name)};
  const int map = bpf_object__find_map_fd_by_name(object, "wanted");
  const uint32_t only = 0;
  struct { uint32_t is_mixed, interval_ns; uint64_t due_ns, sent; } want = {is_mixed, rate ? 1000000000u / rate : 0, 0, 0};
  if (bpf_map_update_elem(map, &only, &want, BPF_ANY)) DIE("asking the generator");
  /* Each call ends with a wait for RCU of some 30 ms: one short call to learn the rate, then one long one. */
  unsigned frames = 1 << 16;
  for (int round = 0; round < 2; round++) {
    LIBBPF_OPTS(bpf_test_run_opts, run, .data_in = frame, .data_size_in = length, .ctx_in = &context,
                .ctx_size_in = sizeof context, .repeat = (int)frames, .flags = BPF_F_TEST_XDP_LIVE_FRAMES,
                .batch_size = 64);
    const uint64_t started = now_ns(), began = cpu_ns(), sent = want.sent;
    if (bpf_prog_test_run_opts(program, &run) != 0) DIE("generating");
    const double took = (double)(now_ns() - started) / 1e9;
    bpf_map_lookup_elem(map, &only, &want);
    /* All that the kernel does for a frame until it arrives is done in this thread's time, where no other forwards. */
    const double busy = (double)(cpu_ns() - began);
    if (round == 1)
      printf("{\"sent\": %llu, \"warm_up\": %llu, \"seconds\": %.6f, \"cpu_ns\": %.1f}\n",
             (unsigned long long)(want.sent - sent), (unsigned long long)sent, took, busy / (double)(want.sent - sent));
    frames = (unsigned)((double)frames / took * seconds);
  }
}

enum { kSlots = 4096, kSlotBytes = 2048, kBatch = 64, kVnetBytes = 10 };

struct port {
  int fd;
  uint8_t* ring;
  unsigned head;
};

static void open_port(struct port* port, const char* name) {
  const int version = TPACKET_V2, on = 1;
  struct tpacket_req ring = {.tp_block_size = 65536, .tp_block_nr = kSlots * kSlotBytes / 65536,
                             .tp_frame_size = kSlotBytes, .tp_frame_nr = kSlots};
  struct sockaddr_ll address = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = index_of(name)};
  port->fd = socket(AF_PACKET, SOCK_RAW, 0);
  port->head = 0;
  if (setsockopt(port->fd, SOL_PACKET, PACKET_VERSION, &version, sizeof version) ||
      setsockopt(port->fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof on) ||
      setsockopt(port->fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on) ||
      setsockopt(port->fd, SOL_PACKET, PACKET_RX_RING, &ring, sizeof ring))
    DIE("packet socket");
  port->ring = mmap(NULL, kSlots * kSlotBytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, port->fd, 0);
  if (port->ring == MAP_FAILED || bind(port->fd, (struct sockaddr*)&address, sizeof address)) DIE("packet ring");
}

static int carry(struct port* from, const struct port* to) {
  struct iovec parts[kBatch];
  struct mmsghdr messages[kBatch];
  unsigned n = 0;
  for (; n < kBatch; n++) {
    struct tpacket2_hdr* head = (void*)(from->ring + (size_t)((from->head + n) % kSlots) * kSlotBytes);
    if (!(__atomic_load_n(&head->tp_status, __ATOMIC_ACQUIRE) & TP_STATUS_USER)) break;
    parts[n] = (struct iovec){(uint8_t*)head + head->tp_mac - kVnetBytes, head->tp_snaplen + kVnetBytes};
    messages[n] = (struct mmsghdr){.msg_hdr = {.msg_iov = &parts[n], .msg_iovlen = 1}};
  }
  for (unsigned at = 0; at < n;) {
    const int sent = sendmmsg(to->fd, messages + at, n - at, MSG_DONTWAIT);
    at += sent > 0 ? (unsigned)sent : 1;
  }
  for (unsigned i = 0; i < n; i++, from->head = (from->head + 1) % kSlots)
    __atomic_store_n(&((struct tpacket2_hdr*)(from->ring + (size_t)from->head * kSlotBytes))->tp_status, TP_STATUS_KERNEL,
                     __ATOMIC_RELEASE);
  return n > 0;
}

static void forward(const char* a, const char* b) {
  struct port ports[2];
  open_port(&ports[0], a);
  open_port(&ports[1], b);
  puts("ready"), fflush(stdout);
  for (;;) {
    const int moved = carry(&ports[0], &ports[1]) | carry(&ports[1], &ports[0]);
    struct pollfd on[2] = {{ports[0].fd, POLLIN, 0}, {ports[1].fd, POLLIN, 0}};
    if (!moved) poll(on, 2, 100);
  }
}

static int compare(const void* a, const void* b) {
  const uint32_t x = *(const uint32_t*)a, y = *(const uint32_t*)b;
  return x < y ? -1 : x > y;
}

static void echo(void) {
  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(7000)};
  char bytes[64];
  if (bind(fd, (struct sockaddr*)&address, sizeof address)) DIE("echo");
  for (;;) {
    struct sockaddr_in from;
    socklen_t size = sizeof from;
    const ssize_t length = recvfrom(fd, bytes, sizeof bytes, 0, (struct sockaddr*)&from, &size);
    if (length > 0) sendto(fd, bytes, (size_t)length, 0, (struct sockaddr*)&from, size);
  }
}

static void ping(const char* target, double seconds) {
  static uint32_t samples[1 << 20];
  const int fd = socket(AF_INET, SOCK_DGRAM, 0);
  const struct timeval patience = {.tv_sec = 1};
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(7000)};
  inet_pton(AF_INET, target, &address.sin_addr);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (connect(fd, (struct sockaddr*)&address, sizeof address)) DIE("ping");
  unsigned n = 0;
  char byte = 0;
  const uint64_t end = now_ns() + (uint64_t)(seconds * 1e9);
  while (n < 1 << 20 && now_ns() < end) {
    const uint64_t sent = now_ns();
    if (send(fd, &byte, 1, 0) == 1 && recv(fd, &byte, 1, 0) == 1) samples[n++] = (uint32_t)(now_ns() - sent);
  }
  if (n == 0) DIE("no answer");
  qsort(samples, n, sizeof *samples, compare);
  printf("{\"p50\": %u, \"p99\": %u, \"samples\": %u}\n", samples[n / 2], samples[n - 1 - n / 100], n);
}

int main(int argc, char** argv) {
  const char* mode = argc > 1 ? argv[1] : "";
  if (!strcmp(mode, "generate") && argc == 7)
    generate(argv[2], atof(argv[3]), (unsigned)atoi(argv[4]), (unsigned)atoi(argv[5]), argv[6]);
  else if (!strcmp(mode, "forward") && argc == 4) forward(argv[2], argv[3]);
  else if (!strcmp(mode, "echo")) echo();
  else if (!strcmp(mode, "ping") && argc == 4) ping(argv[2], atof(argv[3]));
  else if (!strcmp(mode, "sink") && argc == 3) {
    attach_xdp(index_of(argv[2]), verdict_program(BPF_PROG_TYPE_XDP, XDP_DROP));
    puts("ready"), fflush(stdout), pause();
  } else if (!strcmp(mode, "redirect") && argc == 5) {
    const int is_xdp = !strcmp(argv[2], "xdp");
    const int a = index_of(argv[3]), b = index_of(argv[4]);
    const enum bpf_prog_type type = is_xdp ? BPF_PROG_TYPE_XDP : BPF_PROG_TYPE_SCHED_CLS;
    (is_xdp ? attach_xdp : attach_tc)(a, redirect_program(type, b));
    (is_xdp ? attach_xdp : attach_tc)(b, redirect_program(type, a));
    puts("ready"), fflush(stdout), pause();
  } else {
    fprintf(stderr, "usage: see the head of tool.c\n");
    return 2;
  }
  return 0;
}
