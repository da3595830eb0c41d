#include "parse.h"

#include "byte_order.h"
#include "common_packet.h"

namespace headgate {
namespace {

constexpr uint16_t kTypeIpv4 = 0x0800, kTypeIpv6 = 0x86dd, kTypeVlan = 0x8100, kTypeQinq = 0x88a8,
                   kTypeQinqOld = 0x9100, kTypeMpls = 0x8847, kTypeMplsMulticast = 0x8848, kTypePppoe = 0x8864;

// LINKTYPE_ values of the capture formats (tcpdump.org's list of link-layer header types).
constexpr uint16_t kLinkNull = 0, kLinkEthernet = 1, kLinkPpp = 9, kLinkRawBsd = 12, kLinkRawOpenBsd = 14,
                   kLinkRaw = 101, kLinkLoop = 108, kLinkSll = 113, kLinkIpv4 = 228, kLinkIpv6 = 229,
                   kLinkSll2 = 276;

struct Cursor {
  const uint8_t* data;
  uint32_t captured;
  uint32_t offset;

  bool has(uint32_t bytes) const { return captured - offset >= bytes; }
  const uint8_t* here() const { return data + offset; }
};

bool is_before(uint32_t a, uint32_t b) { return static_cast<int32_t>(a - b) < 0; }

// The first block of selective acknowledgements tells of a duplicate if it lies below what is acknowledged, or within the
// second block (RFC 2883 section 4).
void parse_twice(const uint8_t* option, Parsed& out) {
  const uint32_t start = load_be32(option + 2), end = load_be32(option + 6);
  const bool is_below = !is_before(out.ack, end);
  const bool is_within = option[1] >= 18 && !is_before(start, load_be32(option + 10)) &&
                         !is_before(load_be32(option + 14), end);
  if (!is_before(start, end) || (!is_below && !is_within)) return;
  out.twice_start = start;
  out.twice_end = end;
}

void parse_tcp_options(const uint8_t* option, const uint8_t* end, Parsed& out) {
  while (option < end) {
    if (*option == 0) return;
    if (*option == 1) {
      option++;
      continue;
    }
    if (end - option < 2 || option[1] < 2 || option[1] > end - option) {
      out.reason = Unparsed::TcpOption;
      return;
    }
    if (*option == 8 && option[1] == 10) {
      out.has_timestamps = true;
      out.tsval = load_be32(option + 2);
      out.tsecr = load_be32(option + 6);
    }
    if (*option == 5 && option[1] >= 10 && (out.tcp_flags & kTcpAck)) parse_twice(option, out);
    if (*option == 2 && option[1] == 4 && (out.tcp_flags & kTcpSyn)) out.mss = load_be16(option + 2);
    option += option[1];
  }
}

void parse_tcp(const Cursor& at, uint32_t transport_bytes, Parsed& out) {
  if (!at.has(20) || transport_bytes < 20) {
    out.reason = Unparsed::TransportCut;
    return;
  }
  const uint8_t* tcp = at.here();
  const uint32_t header = (tcp[12] >> 4) * 4u;
  if (header < 20 || header > transport_bytes) {
    out.reason = Unparsed::TcpHeaderLength;
    return;
  }
  out.has_tcp = true;
  out.seq = load_be32(tcp + 4);
  out.ack = load_be32(tcp + 8);
  out.tcp_flags = tcp[13];
  out.window = load_be16(tcp + 14);
  out.payload_bytes = transport_bytes - header;
  if (header == 20) return;
  if (!at.has(header)) {
    // The fixed header is enough to follow the session; only the options are lost.
    out.reason = Unparsed::TransportCut;
    return;
  }
  // NOP NOP timestamps: the layout that nearly every segment has (RFC 7323 appendix A).
  if (header == 32 && load<uint32_t>(tcp + 20) == __builtin_bswap32(0x0101080a)) {
    out.has_timestamps = true;
    out.tsval = load_be32(tcp + 24);
    out.tsecr = load_be32(tcp + 28);
    return;
  }
  parse_tcp_options(tcp + 20, tcp + header, out);
}

void parse_transport(const Cursor& at, uint32_t transport_bytes, Parsed& out) {
  out.transport_offset = static_cast<uint16_t>(at.offset);
  out.payload_bytes = transport_bytes;
  if (out.fragment == Fragment::Later) return;
  if (out.protocol != kProtocolTcp && out.protocol != kProtocolUdp) return;
  if (!at.has(8) || transport_bytes < 8) {
    out.reason = Unparsed::TransportCut;
    return;
  }
  out.source_port = load_be16(at.here());
  out.destination_port = load_be16(at.here() + 2);
  out.has_ports = true;
  if (out.protocol == kProtocolUdp) {
    out.payload_bytes = transport_bytes - 8;
  } else if (out.fragment == Fragment::Whole) {
    // A fragmented segment's length stands in its last fragment: such a segment is not tracked.
    parse_tcp(at, transport_bytes, out);
  }
}

// `frame_left`: bytes of the frame from the IP header on, captured or not.
void parse_ipv4(Cursor at, uint32_t frame_left, Parsed& out) {
  out.network = 4;
  out.network_offset = static_cast<uint16_t>(at.offset);
  out.ip_bytes = frame_left;
  if (!at.has(20)) {
    out.network = at.has(1) && (at.here()[0] >> 4) == 4 ? 4 : 0;
    out.reason = Unparsed::IpCut;
    return;
  }
  const uint8_t* ip = at.here();
  if ((ip[0] >> 4) != 4) {
    out.network = 0;
    out.network_offset = kNowhere;
    out.reason = Unparsed::IpVersion;
    return;
  }
  out.tos = ip[1];
  out.ip_id = load_be16(ip + 4);
  out.protocol = ip[9];
  const uint32_t header = (ip[0] & 15) * 4u;
  // Segmentation offload and IPv4 BIG TCP leave the total length 0: the frame's length holds then.
  const uint32_t stated = load_be16(ip + 2);
  const uint32_t total = stated == 0 ? frame_left : stated;
  out.ip_bytes = total;
  if (header < 20 || header > frame_left) {
    out.reason = Unparsed::IpHeaderLength;
    return;
  }
  if (total < header || total > frame_left) {
    out.reason = Unparsed::IpTotalLength;
    return;
  }
  if (!at.has(header)) {
    out.reason = Unparsed::IpCut;
    return;
  }
  const uint16_t fragment = load_be16(ip + 6);
  if (fragment & 0x1fff) {
    out.fragment = Fragment::Later;
  } else if (fragment & 0x2000) {
    out.fragment = Fragment::First;
  }
  at.offset += header;
  parse_transport(at, total - header, out);
}

bool is_extension(uint8_t next) {
  // Hop-by-hop, routing, fragment, destination options, AH, mobility, HIP, shim6 (IANA's registry).
  return next == 0 || next == 43 || next == 44 || next == 60 || next == 51 || next == 135 || next == 139 ||
         next == 140;
}

// Length in bytes of the packet by the jumbo payload option (RFC 2675), or 0.
uint32_t jumbo_length(const uint8_t* header, uint32_t bytes) {
  for (uint32_t i = 2; i + 1 < bytes;) {
    if (header[i] == 0) {
      i++;
      continue;
    }
    if (header[i] == 0xc2 && header[i + 1] == 4 && i + 6 <= bytes) return load_be32(header + i + 2);
    i += 2u + header[i + 1];
  }
  return 0;
}

void parse_ipv6(Cursor at, uint32_t frame_left, Parsed& out) {
  out.network = 6;
  out.network_offset = static_cast<uint16_t>(at.offset);
  out.ip_bytes = frame_left;
  if (!at.has(40)) {
    out.network = at.has(1) && (at.here()[0] >> 4) == 6 ? 6 : 0;
    out.reason = Unparsed::IpCut;
    return;
  }
  const uint8_t* ip = at.here();
  if ((ip[0] >> 4) != 6) {
    out.network = 0;
    out.network_offset = kNowhere;
    out.reason = Unparsed::IpVersion;
    return;
  }
  out.tos = static_cast<uint8_t>(load_be16(ip) >> 4);
  const uint32_t stated = load_be16(ip + 4);
  uint32_t total = stated == 0 ? frame_left : stated + 40;
  out.ip_bytes = total;
  if (total > frame_left) {
    out.reason = Unparsed::IpTotalLength;
    return;
  }
  uint8_t next = ip[6];
  at.offset += 40;
  uint32_t walked = 40;
  for (unsigned seen = 0; is_extension(next); seen++) {
    out.protocol = next;
    if (seen == kExtensionsMax) {
      out.reason = Unparsed::ExtensionLimit;
      return;
    }
    if (!at.has(8)) {
      out.reason = Unparsed::ExtensionCut;
      return;
    }
    const uint8_t* header = at.here();
    const uint32_t bytes = next == 44 ? 8u : next == 51 ? (header[1] + 2u) * 4u : (header[1] + 1u) * 8u;
    if (!at.has(bytes) || walked + bytes > total) {
      out.reason = Unparsed::ExtensionCut;
      return;
    }
    if (next == 0 && stated == 0) {
      const uint32_t jumbo = jumbo_length(header, bytes);
      if (jumbo != 0) {
        if (jumbo > frame_left - 40 || jumbo < walked - 40 + bytes) {
          out.reason = Unparsed::IpTotalLength;
          return;
        }
        total = jumbo + 40;
        out.ip_bytes = total;
      }
    }
    if (next == 44) {
      const uint16_t offset = load_be16(header + 2);
      if (offset & 0xfff8) {
        out.fragment = Fragment::Later;
      } else if (offset & 1) {
        out.fragment = Fragment::First;
      }
    }
    next = header[0];
    at.offset += bytes;
    walked += bytes;
    if (out.fragment == Fragment::Later) break;
  }
  out.protocol = next;
  parse_transport(at, total - walked, out);
}

void parse_ip(const Cursor& at, uint32_t frame_left, Parsed& out, Unparsed otherwise) {
  if (!at.has(1)) {
    out.reason = Unparsed::IpCut;
    return;
  }
  switch (at.here()[0] >> 4) {
    case 4:
      return parse_ipv4(at, frame_left, out);
    case 6:
      return parse_ipv6(at, frame_left, out);
    default:
      out.reason = otherwise;
  }
}

void parse_ppp(Cursor at, uint32_t wire_length, Parsed& out) {
  if (!at.has(2)) {
    out.reason = Unparsed::LinkCut;
    return;
  }
  const uint16_t protocol = load_be16(at.here());
  at.offset += 2;
  if (protocol == 0x0021) return parse_ipv4(at, wire_length - at.offset, out);
  if (protocol == 0x0057) return parse_ipv6(at, wire_length - at.offset, out);
  out.reason = Unparsed::PppProtocol;
}

void parse_mpls(Cursor at, uint32_t wire_length, Parsed& out) {
  for (unsigned labels = 0; labels < kTagsMax; labels++) {
    if (!at.has(4)) {
      out.reason = Unparsed::LinkCut;
      return;
    }
    const bool is_bottom = at.here()[2] & 1;
    at.offset += 4;
    if (is_bottom) return parse_ip(at, wire_length - at.offset, out, Unparsed::MplsPayload);
  }
  out.reason = Unparsed::TagLimit;
}

// From an EtherType on: tags, then PPPoE, MPLS or IP. `at` stands behind the EtherType.
void parse_ether_type(Cursor at, uint16_t type, const Packet& packet, Parsed& out) {
  for (unsigned tags = 0; type == kTypeVlan || type == kTypeQinq || type == kTypeQinqOld; tags++) {
    if (tags == kTagsMax) {
      out.reason = Unparsed::TagLimit;
      return;
    }
    if (!at.has(4)) {
      out.reason = Unparsed::LinkCut;
      return;
    }
    if (out.vlan == kNoVlan) out.vlan = load_be16(at.here()) & 0x0fff;
    if (out.first_tag_offset == kNowhere) out.first_tag_offset = static_cast<uint16_t>(at.offset - 2);
    type = load_be16(at.here() + 2);
    at.offset += 4;
  }
  const uint32_t left = packet.wire_length - at.offset;
  switch (type) {
    case kTypeIpv4:
      return parse_ipv4(at, left, out);
    case kTypeIpv6:
      return parse_ipv6(at, left, out);
    case kTypeMpls:
    case kTypeMplsMulticast:
      return parse_mpls(at, packet.wire_length, out);
    case kTypePppoe:
      if (!at.has(6)) {
        out.reason = Unparsed::LinkCut;
        return;
      }
      at.offset += 6;
      return parse_ppp(at, packet.wire_length, out);
    default:
      // ARP, LLDP, spanning tree and so on: nothing that we count by block, and no fault.
      return;
  }
}

// Reads the same as the general way below, in a quarter of the instructions.
inline bool parse_common(const Packet& packet, Parsed& out) {
  if (!is_common(packet)) return false;
  const CommonPacket at{packet.data};
  out.network = 4;
  out.protocol = kProtocolTcp;
  out.tos = at.tos();
  out.tcp_flags = at.tcp_flags();
  out.has_ports = out.has_tcp = out.has_timestamps = true;
  out.network_offset = CommonPacket::kNetwork;
  out.transport_offset = CommonPacket::kTransport;
  out.ip_id = at.ip_id();
  out.source_port = at.source_port();
  out.destination_port = at.destination_port();
  out.window = at.window();
  out.ip_bytes = at.ip_bytes();
  out.payload_bytes = at.payload_bytes();
  out.seq = at.seq();
  out.ack = at.ack();
  out.tsval = at.tsval();
  out.tsecr = at.tsecr();
  return true;
}

}  // namespace

void parse(const Packet& packet, Parsed& out) {
  out = Parsed{};
  out.network_offset = out.transport_offset = out.first_tag_offset = kNowhere;
  out.vlan = packet.has_vlan ? static_cast<uint16_t>(packet.vlan_tci & 0x0fff) : kNoVlan;
  if (parse_common(packet, out)) return;
  parse_any(packet, out);
}

void parse_any(const Packet& packet, Parsed& out) {
  out = Parsed{};
  out.network_offset = out.transport_offset = out.first_tag_offset = kNowhere;
  out.vlan = packet.has_vlan ? static_cast<uint16_t>(packet.vlan_tci & 0x0fff) : kNoVlan;
  Cursor at{packet.data, packet.captured, 0};
  const uint32_t wire_length = packet.wire_length;
  // Lengths on the wire below what was captured come from damaged files only.
  if (wire_length < packet.captured) at.captured = wire_length;
  // Link-layer bytes before the payload, and where the EtherType stands in them.
  uint32_t header = 0, type_at = 0;
  switch (packet.link_type) {
    case kLinkEthernet:
      header = 14, type_at = 12;
      break;
    case kLinkSll:
      header = 16, type_at = 14;
      break;
    case kLinkSll2:
      header = 20, type_at = 0;
      break;
    case kLinkRaw:
    case kLinkRawBsd:
    case kLinkRawOpenBsd:
    case kLinkIpv4:
    case kLinkIpv6:
      return parse_ip(at, wire_length, out, Unparsed::IpVersion);
    case kLinkNull:
    case kLinkLoop:
      // The address family's number differs by system and byte order; the IP version tells as much.
      if (!at.has(4)) break;
      at.offset = 4;
      return parse_ip(at, wire_length - 4, out, Unparsed::None);
    case kLinkPpp:
      if (at.has(2) && load_be16(at.here()) == 0xff03) at.offset = 2;
      return parse_ppp(at, wire_length, out);
    default:
      out.reason = Unparsed::LinkType;
      return;
  }
  if (header == 0 || !at.has(header)) {
    out.reason = Unparsed::LinkCut;
    return;
  }
  at.offset = header;
  parse_ether_type(at, load_be16(packet.data + type_at), packet, out);
}

const char* name_of(Unparsed reason) {
  switch (reason) {
    case Unparsed::None:
      return "none";
    case Unparsed::LinkType:
      return "link_type";
    case Unparsed::LinkCut:
      return "link_cut";
    case Unparsed::TagLimit:
      return "tag_limit";
    case Unparsed::PppProtocol:
      return "ppp_protocol";
    case Unparsed::MplsPayload:
      return "mpls_payload";
    case Unparsed::IpCut:
      return "ip_cut";
    case Unparsed::IpVersion:
      return "ip_version";
    case Unparsed::IpHeaderLength:
      return "ip_header_length";
    case Unparsed::IpTotalLength:
      return "ip_total_length";
    case Unparsed::ExtensionCut:
      return "extension_cut";
    case Unparsed::ExtensionLimit:
      return "extension_limit";
    case Unparsed::TransportCut:
      return "transport_cut";
    case Unparsed::TcpHeaderLength:
      return "tcp_header_length";
    case Unparsed::TcpOption:
      return "tcp_option";
    case Unparsed::Count:
      break;
  }
  return "unknown";
}

}  // namespace headgate
