/* Turns the generator's one frame into many TCP sessions: each pass through this program gives it the next source port
 * and destination, with right checksums, and sends it. Frames come back with what they were last given. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/tcp.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* A power of two; the destinations are 10.128.0.0/9 in steps that a full routing table would have. */
#define SESSIONS 65536u

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, __u32);
} turn SEC(".maps");

static __always_inline __u16 adjusted(__u16 checksum, __u16 before, __u16 after) {
  __u32 sum = (__u16)~checksum + (__u16)~before + after;
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return (__u16)~sum;
}

SEC("xdp")
int next_session(struct xdp_md* frame) {
  void* const end = (void*)(long)frame->data_end;
  struct ethhdr* link = (void*)(long)frame->data;
  struct iphdr* ip = (void*)(link + 1);
  struct tcphdr* tcp = (void*)(ip + 1);
  const __u32 only = 0;
  __u32* count = bpf_map_lookup_elem(&turn, &only);
  if ((void*)(tcp + 1) > end || !count) return XDP_DROP;
  const __u32 session = (*count)++ % SESSIONS;
  const __u16 port = bpf_htons((__u16)(1024 + session % 32768));
  tcp->check = adjusted(tcp->check, tcp->source, port);
  tcp->source = port;
  /* Both halves of the address, spread by an odd factor. */
  const __u32 spread = session * 40503u;
  const __u16 low = bpf_htons((__u16)spread), high = bpf_htons((__u16)(0x0a80 | (spread >> 16 & 0x7f)));
  __u16* const address = (__u16*)&ip->daddr;
  for (int half = 0; half < 2; half++) {
    const __u16 to = half == 0 ? high : low;
    ip->check = adjusted(ip->check, address[half], to);
    tcp->check = adjusted(tcp->check, address[half], to);
    address[half] = to;
  }
  return XDP_TX;
}

char terms[] SEC("license") = "Apache-2.0";
