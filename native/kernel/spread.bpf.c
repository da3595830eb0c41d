/* Spreads what comes in at a port among the packet loops that share it: PACKET_FANOUT_EBPF takes the value modulo their
 * number. */
#define HG_BPF
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "spread.h"

/* Too much for the stack. A program at ingress is not interrupted by another one of its processor. */
struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct hg_work);
} scratch SEC(".maps");

SEC("socket")
int spread(struct __sk_buff* skb) {
  const __u32 only = 0;
  /* Taps see a packet without its Ethernet header. */
  return (int)hg_spread(skb, 0, bpf_map_lookup_elem(&scratch, &only));
}

char terms[] SEC("license") = "Apache-2.0";
