// Which link a packet came in by or goes out by.
#pragma once
#include <cstdint>

#include "../abi/records.h"
#include "byte_order.h"
#include "parse.h"

namespace headgate {

inline constexpr unsigned kWiresMax = 16;

// The rules of one wire. Of several that apply the first in this order holds: wire, MAC, VLAN, DSCP.
struct WireRules {
  uint8_t link = HG_LINK_UNKNOWN;  // place `link`: the wire is the link, and marking is impossible
  bool may_mark = false;           // place `inside`
  uint8_t macs = 0;
  uint8_t mac_link[HG_LINKS_MAX] = {};
  uint64_t mac[HG_LINKS_MAX] = {};  // of the border router's port, in the low 48 bits
  bool by_vlan = false;
  bool by_dscp = false;
  uint8_t vlan_link[4096];
  uint8_t dscp_link[64];

  WireRules() {
    for (auto& entry : vlan_link) entry = HG_LINK_UNKNOWN;
    for (auto& entry : dscp_link) entry = HG_LINK_UNKNOWN;
  }
};

// An index below HG_LINKS_MAX, or HG_LINK_UNKNOWN.
// `network` is 0 without an IP header; `vlan` may be kNoVlan.
inline uint8_t attribute(const WireRules& rules, const Packet& packet, uint8_t network, uint16_t vlan, uint8_t tos) {
  if (rules.link != HG_LINK_UNKNOWN) return rules.link;
  if (rules.macs != 0 && packet.link_type == 1 && packet.captured >= 14) {
    // The border router is the sender of what is inbound and the receiver of what is outbound.
    const uint8_t* at = packet.data + (packet.direction == Direction::Inbound ? 6 : 0);
    const uint64_t mac = load_be64(at) >> 16;
    for (unsigned i = 0; i < rules.macs; i++) {
      if (rules.mac[i] == mac) return rules.mac_link[i];
    }
  }
  if (rules.by_vlan && vlan != kNoVlan) {
    const uint8_t link = rules.vlan_link[vlan & 0x0fff];
    if (link != HG_LINK_UNKNOWN) return link;
  }
  // Outbound, a DSCP is what a host set or what we are about to set: it tells nothing yet.
  if (rules.by_dscp && network != 0 && packet.direction == Direction::Inbound)
    return rules.dscp_link[tos >> 2];
  return HG_LINK_UNKNOWN;
}

}  // namespace headgate
