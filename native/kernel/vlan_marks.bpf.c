/* What a Linux border router needs to route by VLAN marks: a classifier at the ingress of its interface towards the
 * unit, one for each link, `headgate router-config --kind linux` prints how. A frame of the link's VLAN gets a firewall
 * mark and loses its tag, so that it is routed like any other, by `ip rule fwmark`.
 *
 * The VLAN comes as the filter's class (`classid 1:65` for VLAN 101, in hexadecimal as tc wants it): nothing is
 * compiled, and no map is filled, on the router. Other VLANs of a trunk go on to their own interfaces.
 *
 * The priority bits end here: the provider gets no tag of ours, and forwarding IPv4 sets skb->priority anew anyway.
 * It never says what becomes of a frame: filters behind it have their turn. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

/* With the VLAN in the lower half: apart from the small marks that people set, and from those of DSCPs
 * (src/router/templates/linux.ts). */
#define HG_VLAN_FIREWALL_MARK 0x68690000u

SEC("tc")
int vlan_mark(struct __sk_buff* skb) {
  /* The kernel has taken the first tag out of the frame already, whether the card does or not. */
  if (!skb->vlan_present || skb->vlan_proto != bpf_htons(ETH_P_8021Q)) return TC_ACT_UNSPEC;
  const __u32 vlan = skb->vlan_tci & 0x0fff;
  if (vlan != (skb->tc_classid & 0xffff)) return TC_ACT_UNSPEC;
  if (bpf_skb_vlan_pop(skb) == 0) skb->mark = HG_VLAN_FIREWALL_MARK | vlan;
  return TC_ACT_UNSPEC;
}

char terms[] SEC("license") = "Apache-2.0";
