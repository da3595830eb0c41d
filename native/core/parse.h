// Headers of one packet: what attribution, counting, tracking and rewriting need of them.
#pragma once
#include <cstdint>

#include "packet.h"

namespace headgate {

// Why a packet, or a part of it, could not be read. It is counted by this and forwarded unchanged.
enum class Unparsed : uint8_t {
  None = 0,
  LinkType,           // a link type that we do not know
  LinkCut,            // ends inside the link-layer header
  TagLimit,           // more than kTagsMax tags or labels
  PppProtocol,        // PPP payload that is not IP
  MplsPayload,        // below the last label is neither IPv4 nor IPv6
  IpCut,              // ends inside the IP header
  IpVersion,          // the version field contradicts what announced it
  IpHeaderLength,     // IPv4 header length below 20 or beyond the packet
  IpTotalLength,      // the IP length is shorter than its header or longer than the frame
  ExtensionCut,       // ends inside an IPv6 extension header
  ExtensionLimit,     // more than kExtensionsMax IPv6 extension headers
  TransportCut,       // ends inside the TCP or UDP header
  TcpHeaderLength,    // TCP data offset below 20 or beyond the packet
  TcpOption,          // an option runs past the header; the fields before it are used
  Count,
};
inline constexpr unsigned kUnparsedReasons = static_cast<unsigned>(Unparsed::Count);
const char* name_of(Unparsed reason);

inline constexpr unsigned kTagsMax = 8;
inline constexpr unsigned kExtensionsMax = 8;
inline constexpr uint16_t kNoVlan = 0xffff;
inline constexpr uint16_t kNowhere = 0xffff;

inline constexpr uint8_t kProtocolTcp = 6;
inline constexpr uint8_t kProtocolUdp = 17;

inline constexpr uint8_t kTcpFin = 0x01, kTcpSyn = 0x02, kTcpRst = 0x04, kTcpAck = 0x10;

enum class Fragment : uint8_t { Whole, First, Later };

struct Parsed {
  uint8_t network;   // outermost network header: 4, 6, or 0 for anything else
  uint8_t protocol;  // transport protocol; meaningless when network is 0
  Unparsed reason;
  Fragment fragment;
  uint8_t tos;              // TOS or traffic class octet
  uint8_t tcp_flags;        // 0 unless the whole fixed TCP header was read
  bool has_ports;           // source and destination port were read
  bool has_tcp;             // seq, ack, window and payload_bytes of a TCP segment were read
  bool has_timestamps;      // tsval and tsecr (RFC 7323)
  uint16_t network_offset;  // kNowhere when network is 0
  uint16_t transport_offset;
  uint16_t first_tag_offset;  // of the outermost 802.1q tag's TPID in the frame, or kNowhere
  uint16_t vlan;              // VID of the outermost tag (frame or metadata), or kNoVlan
  uint16_t ip_id;             // IPv4 identification; 0 for IPv6
  uint16_t source_port, destination_port;
  uint16_t window;  // as sent, unscaled
  uint16_t mss;     // MSS option of a SYN, else 0
  uint32_t ip_bytes;
  uint32_t payload_bytes;  // of TCP or UDP, from the length fields, not from what was captured
  uint32_t seq, ack;
  uint32_t tsval, tsecr;
  // What the receiver says to have got twice (RFC 2883), from here to before there; both 0 unless it does.
  uint32_t twice_start, twice_end;

  bool operator==(const Parsed&) const = default;
};

// Never reads past `packet.captured`. Whatever the bytes, every field of `out` is set.
void parse(const Packet& packet, Parsed& out);

// The same without the short cut for the commonest packets: what that is tested against.
void parse_any(const Packet& packet, Parsed& out);

}  // namespace headgate
