/* The smallest forwarder by AF_XDP, in copy mode, for the wire bench: both ports share one memory, and a frame that came
 * in at one is sent at the other from where it lies.
 *   xsk IFACE IFACE      forwards both ways until it is killed; says "ready"
 */
#define _GNU_SOURCE
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <linux/if_xdp.h>
#include <net/if.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define DIE(what) (perror(what), exit(1))

enum { kFrameBytes = 2048, kRing = 2048, kBatch = 64 };

struct ring {
  uint32_t *produced, *consumed;
  void* entries;
};

struct port {
  int fd;
  struct ring fill, done, in, out;
};

static uint32_t load(const uint32_t* at) { return __atomic_load_n(at, __ATOMIC_ACQUIRE); }
static void store(uint32_t* at, uint32_t value) { __atomic_store_n(at, value, __ATOMIC_RELEASE); }

static struct ring map_ring(int fd, const struct xdp_ring_offset* at, size_t entry, uint64_t page) {
  uint8_t* memory = mmap(NULL, at->desc + kRing * entry, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd, (off_t)page);
  if (memory == MAP_FAILED) DIE("mapping a ring");
  return (struct ring){(uint32_t*)(memory + at->producer), (uint32_t*)(memory + at->consumer), memory + at->desc};
}

static void open_port(struct port* port, const char* name, void* memory, int shared) {
  const int size = kRing;
  const struct xdp_umem_reg reg = {.addr = (uint64_t)(uintptr_t)memory, .len = 2ull * kRing * kFrameBytes, .chunk_size = kFrameBytes};
  struct xdp_mmap_offsets at;
  socklen_t length = sizeof at;
  port->fd = socket(AF_XDP, SOCK_RAW, 0);
  if (port->fd < 0 || (shared < 0 && setsockopt(port->fd, SOL_XDP, XDP_UMEM_REG, &reg, sizeof reg)) ||
      setsockopt(port->fd, SOL_XDP, XDP_UMEM_FILL_RING, &size, sizeof size) ||
      setsockopt(port->fd, SOL_XDP, XDP_UMEM_COMPLETION_RING, &size, sizeof size) ||
      setsockopt(port->fd, SOL_XDP, XDP_RX_RING, &size, sizeof size) ||
      setsockopt(port->fd, SOL_XDP, XDP_TX_RING, &size, sizeof size) ||
      getsockopt(port->fd, SOL_XDP, XDP_MMAP_OFFSETS, &at, &length))
    DIE("AF_XDP socket");
  port->fill = map_ring(port->fd, &at.fr, sizeof(uint64_t), XDP_UMEM_PGOFF_FILL_RING);
  port->done = map_ring(port->fd, &at.cr, sizeof(uint64_t), XDP_UMEM_PGOFF_COMPLETION_RING);
  port->in = map_ring(port->fd, &at.rx, sizeof(struct xdp_desc), XDP_PGOFF_RX_RING);
  port->out = map_ring(port->fd, &at.tx, sizeof(struct xdp_desc), XDP_PGOFF_TX_RING);
  const struct sockaddr_xdp address = {.sxdp_family = AF_XDP,
                                       .sxdp_flags = shared < 0 ? XDP_COPY : XDP_SHARED_UMEM,
                                       .sxdp_ifindex = if_nametoindex(name),
                                       .sxdp_shared_umem_fd = shared < 0 ? 0 : (uint32_t)shared};
  if (bind(port->fd, (const struct sockaddr*)&address, sizeof address)) DIE("binding");
  for (uint32_t i = 0; i < kRing; i++)
    ((uint64_t*)port->fill.entries)[i] = ((shared < 0 ? 0 : kRing) + (uint64_t)i) * kFrameBytes;
  store(port->fill.produced, kRing);
}

/* Hands every frame of a port's one queue to its socket. */
static void attach(const char* name, int fd) {
  const int map = bpf_map_create(BPF_MAP_TYPE_XSKMAP, "sockets", 4, 4, 1, NULL);
  const uint32_t queue = 0;
  if (map < 0 || bpf_map_update_elem(map, &queue, &fd, BPF_ANY)) DIE("map of sockets");
  const struct bpf_insn code[] = {
      {.code = BPF_LD | BPF_DW | BPF_IMM, .dst_reg = 1, .src_reg = BPF_PSEUDO_MAP_FD, .imm = map},
      {0},
      {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 2, .imm = 0},
      {.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 3, .imm = XDP_PASS},
      {.code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_redirect_map},
      {.code = BPF_JMP | BPF_EXIT},
  };
  const int program = bpf_prog_load(BPF_PROG_TYPE_XDP, "to_socket", "Apache-2.0", code, sizeof code / sizeof *code, NULL);
  if (program < 0 || bpf_xdp_attach((int)if_nametoindex(name), program, XDP_FLAGS_DRV_MODE, NULL)) DIE("attaching");
}

static int carry(struct port* from, struct port* to) {
  /* What `to` has sent came from `from`, whose it is again. */
  uint32_t given = load(from->fill.produced), done = *to->done.consumed;
  for (const uint32_t end = load(to->done.produced); done != end; done++)
    ((uint64_t*)from->fill.entries)[given++ % kRing] = ((uint64_t*)to->done.entries)[done % kRing];
  store(to->done.consumed, done);
  store(from->fill.produced, given);

  uint32_t in = *from->in.consumed, out = *to->out.produced, n = 0;
  const uint32_t end = load(from->in.produced), room = kRing - (out - load(to->out.consumed));
  for (; in != end && n < kBatch && n < room; n++)
    ((struct xdp_desc*)to->out.entries)[out++ % kRing] = ((struct xdp_desc*)from->in.entries)[in++ % kRing];
  store(from->in.consumed, in);
  store(to->out.produced, out);
  if (out != load(to->out.consumed)) sendto(to->fd, NULL, 0, MSG_DONTWAIT, NULL, 0);
  return n > 0;
}

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  void* memory = mmap(NULL, 2ull * kRing * kFrameBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  struct port ports[2];
  open_port(&ports[0], argv[1], memory, -1);
  open_port(&ports[1], argv[2], memory, ports[0].fd);
  for (int i = 0; i < 2; i++) attach(argv[i + 1], ports[i].fd);
  puts("ready"), fflush(stdout);
  for (;;) {
    struct pollfd on[2] = {{ports[0].fd, POLLIN, 0}, {ports[1].fd, POLLIN, 0}};
    if (!(carry(&ports[0], &ports[1]) | carry(&ports[1], &ports[0]))) poll(on, 2, 100);
  }
}
