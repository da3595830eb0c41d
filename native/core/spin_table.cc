#include "spin_table.h"

namespace headgate {
namespace {
constexpr uint32_t kUdpHeader = 8;
constexpr uint8_t kLongHeader = 0x80, kFixedBit = 0x40, kSpinBit = 0x20;
// Least bytes behind the first that a short header can have: a packet number and what header protection samples
// (RFC 9001 section 5.4.2).
constexpr uint32_t kShortMin = 1 + 20;

// One more, for a reader on another thread.
void add(uint64_t& counter) { __atomic_store_n(&counter, counter + 1, __ATOMIC_RELAXED); }
}  // namespace

bool is_short_quic(const Packet& packet, const Parsed& parsed) {
  if (parsed.protocol != kProtocolUdp || !parsed.has_ports || parsed.fragment != Fragment::Whole) return false;
  if (parsed.source_port != kQuicPort && parsed.destination_port != kQuicPort) return false;
  const uint32_t at = parsed.transport_offset + kUdpHeader;
  return packet.captured > at && parsed.payload_bytes >= kShortMin &&
         (packet.data[at] & (kLongHeader | kFixedBit)) == kFixedBit;
}

uint32_t SpinTable::notice(const Packet& packet, const Parsed& parsed, const SessionTag& tag, SpinCounts& counts) {
  const auto now_us = static_cast<uint32_t>(packet.time_ns / 1'000);
  const auto now_ms = static_cast<uint32_t>(packet.time_ns / 1'000'000);
  SpinSession* session = table_.find(tag.hash, [&](const SpinSession& other) { return other.tag == tag.tag; });
  if (session == nullptr) {
    session = table_.insert(
        tag.hash, [now_ms](const SpinSession& other) { return now_ms - other.last_seen_ms > kSpinIdleMs; },
        [](const SpinSession&) -> unsigned { return 0; });
    if (session == nullptr) {
      add(counts.refused);
      return 0;
    }
    add(counts.sessions);
    session->tag = tag.tag;
    session->seen = session->bit = session->is_spinning = 0;
    session->turns = 0;
    session->turned_us[0] = session->turned_us[1] = 0;
    session->votes = 0;
  }
  session->last_seen_ms = now_ms;
  const unsigned side = tag.side, peer = side ^ 1;
  const bool bit = (packet.data[parsed.transport_offset + kUdpHeader] & kSpinBit) != 0;
  const bool was_seen = session->seen >> side & 1, before = session->bit >> side & 1;
  const auto keep = [&] { session->bit = ((session->bit & ~(1u << side)) | static_cast<unsigned>(bit) << side) & 3; };
  session->seen = (session->seen | 1u << side) & 3;
  if (!was_seen) keep();
  if (!was_seen || bit == before) return 0;
  if (session->turned_us[side] != 0 && now_us - session->turned_us[side] < kTurnUs) return 0;
  keep();
  const uint32_t own_us = session->turned_us[side], other_us = session->turned_us[peer];
  session->turned_us[side] = now_us + (now_us == 0);
  if (!(session->seen >> peer & 1)) return 0;

  // The server says what it heard, the client the opposite.
  const bool is_client = bit != (session->bit >> peer & 1);
  session->votes += is_client == (side == 0) ? 1 : -1;
  if (session->turns < UINT16_MAX) session->turns++;
  const uint32_t agreed = static_cast<uint32_t>(session->votes < 0 ? -session->votes : session->votes);
  // Seven of eight: less an eighth for and an eighth against.
  if (session->turns < kTurnsBefore || agreed < session->turns - session->turns / 4u) return 0;
  if (!session->is_spinning) {
    session->is_spinning = 1;
    add(counts.spinning);
  }
  // An answer to the other side's turn, not to one that was answered before.
  const bool is_answer = other_us != 0 && (own_us == 0 || static_cast<int32_t>(other_us - own_us) > 0);
  return is_answer ? now_us - other_us : 0;
}

}  // namespace headgate
