// Marks on outbound packets: a DSCP or an 802.1q tag that the border router routes by.
// Everything else of the packet stays as it is; the ECN bits never change.
#pragma once
#include "parse.h"

namespace headgate {

// Sets the DSCP of the outermost IP header and adjusts the IPv4 header checksum. False when the packet has
// it already or has no IP header.
bool set_dscp(Packet& packet, const Parsed& parsed, uint8_t dscp);

// Sets the VID of the outermost tag, keeping its priority bits, or puts an 802.1q tag in front of an
// untagged Ethernet frame (into the headroom: `packet.data` moves). False when nothing was changed.
bool set_vlan(Packet& packet, const Parsed& parsed, uint16_t vid);

}  // namespace headgate
