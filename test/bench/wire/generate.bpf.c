/* Turns the generator's one frame into many TCP sessions: each pass through this program gives it the next source port
 * and destination, and the next length where lengths are mixed, with right checksums, and sends it. Frames come back
 * with what they were last given. Paced by dropping what would be early. */
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

/* What tool.c wants: 0 lengths as they are, 1 mixed; nanoseconds between two frames, 0 none. */
struct wanted {
  __u32 is_mixed;
  __u32 interval_ns;
  __u64 due_ns; /* of the next frame */
  __u64 sent;
};
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct wanted);
} wanted SEC(".maps");

static __always_inline __u16 adjusted(__u16 checksum, __u16 before, __u16 after) {
  __u32 sum = (__u16)~checksum + (__u16)~before + after;
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return (__u16)~sum;
}

/* Of twelve frames seven short, four middling and one full, as on a provider's link ("simple IMIX"). */
static __always_inline __u32 length_of(__u32 session) {
  const __u32 place = session % 12;
  return place < 7 ? 66 : place < 11 ? 594 : 1514;
}

SEC("xdp")
int next_session(struct xdp_md* frame) {
  const __u32 only = 0;
  struct wanted* want = bpf_map_lookup_elem(&wanted, &only);
  __u32* count = bpf_map_lookup_elem(&turn, &only);
  if (!want || !count) return XDP_DROP;
  if (want->interval_ns) {
    const __u64 now = bpf_ktime_get_ns();
    if (now < want->due_ns) return XDP_DROP;
    /* A moment that was missed is not made up for. */
    want->due_ns = (now - want->due_ns > 1000000 ? now : want->due_ns) + want->interval_ns;
  }
  const __u32 session = (*count)++ % SESSIONS;
  if (want->is_mixed && bpf_xdp_adjust_tail(frame, (int)length_of(session) - 1514) != 0) return XDP_DROP;
  void* const end = (void*)(long)frame->data_end;
  struct ethhdr* link = (void*)(long)frame->data;
  struct iphdr* ip = (void*)(link + 1);
  struct tcphdr* tcp = (void*)(ip + 1);
  if ((void*)(tcp + 1) > end) return XDP_DROP;
  want->sent += 1;
  if (want->is_mixed) {
    /* The payload is nothing but zeros: of TCP's sum only the length in the pseudo header changes. */
    const __u16 before = ip->tot_len, after = bpf_htons((__u16)(length_of(session) - sizeof *link));
    ip->check = adjusted(ip->check, before, after);
    tcp->check = adjusted(tcp->check, before, after);
    ip->tot_len = after;
  }
  /* Unmarked, as a host sends it: a mark that it came back with would be no work for whoever marks it again. */
  ip->check = adjusted(ip->check, bpf_htons((__u16)(0x4500 | ip->tos)), bpf_htons(0x4500));
  ip->tos = 0;
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
