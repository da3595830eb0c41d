/* Spreads what comes in at a port among the packet loops that share it: PACKET_FANOUT_EBPF takes the value modulo their
 * number. The unit loads it by itself, with CAP_BPF and without CAP_PERFMON. */
#define HG_BPF
#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "spread.h"

SEC("socket")
int spread(struct __sk_buff* skb) {
  /* Taps see a packet without its Ethernet header. */
  return (int)hg_spread(skb, bpf_ntohs((__u16)skb->protocol), 0);
}

char terms[] SEC("license") = "Apache-2.0";
