// The tracker on any sequence of segments of one session. What must hold: holes stay in order, apart and
// below what was sent; what was acknowledged is never beyond what was sent; counts fit the payload.
#include <cstdlib>
#include <cstring>

#include "core/tcp.h"
#include "core/tcp_steady.h"

using namespace headgate;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

int32_t ahead(uint32_t a, uint32_t b) { return static_cast<int32_t>(a - b); }

void check(const Session& session, const SessionRest& rest) {
  for (unsigned side = 0; side < 2; side++) {
    const SideFlags& own = session.flags[side];
    require(own.holes <= kHoles);
    if (own.by_sequence) require(session.sample_start[side] != 0);
    for (unsigned i = 0; i < own.holes; i++) {
      const Hole& hole = rest.hole[side][i];
      require(ahead(hole.end, hole.start) > 0);
      require(ahead(session.next[side], hole.end) >= 0);
      if (i > 0) require(ahead(hole.start, rest.hole[side][i - 1].end) >= 0);
    }
    if (own.is_seeded) require(ahead(session.next[side], session.acked[side]) >= 0);
  }
}

}  // namespace

// Records of 12 bytes: flags and side, gap, offset from what was sent (16 bits, signed), payload (16 bits),
// acknowledgement offset (16 bits, signed), TSval offset, identification step, window, spare.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Session session{};
  SessionRest rest{};
  static uint8_t memory[RecentSegments::kBytes];
  std::memset(memory, 0, sizeof memory);
  RecentSegments recent(memory);
  uint32_t now_us = 0xfffff000, tsval = 0xfffffff0;
  uint32_t sent[2] = {0xffffff00, 0x7fffff00};
  uint16_t id = 0xfff0;
  for (; size >= 12; data += 12, size -= 12) {
    const unsigned side = data[0] >> 7;
    now_us += data[1] * 500u;
    Parsed parsed{};
    parsed.network = 4;
    parsed.has_tcp = true;
    parsed.tcp_flags = data[0] & 0x1f;
    parsed.seq = sent[side] + static_cast<uint32_t>(static_cast<int16_t>(data[2] | data[3] << 8));
    if ((data[11] & 1) != 0) parsed.seq += static_cast<uint32_t>(data[11]) << 24;
    parsed.payload_bytes = static_cast<uint32_t>(data[4] | data[5] << 8);
    if ((data[11] & 2) != 0) parsed.payload_bytes *= 8;
    parsed.ip_bytes = parsed.payload_bytes + 40;
    parsed.ack = sent[side ^ 1] + static_cast<uint32_t>(static_cast<int16_t>(data[6] | data[7] << 8));
    parsed.has_timestamps = (data[11] & 4) != 0;
    parsed.tsval = tsval += static_cast<uint32_t>(static_cast<int8_t>(data[8]));
    parsed.tsecr = tsval - data[10];
    parsed.ip_id = id = static_cast<uint16_t>(id + static_cast<int8_t>(data[9]));
    parsed.window = data[10];
    parsed.mss = (data[11] & 8) != 0 && (parsed.tcp_flags & kTcpSyn) ? 1460 : 0;
    const Tracked tracked = track(session, rest, side, parsed, (data[11] & 16) != 0 ? 700 : 0, now_us, now_us / 1000, recent);
    require(tracked.new_bytes + tracked.old_bytes <= parsed.payload_bytes);
    require(tracked.segment_class < SegmentClass::Count);
    if (is_retransmission(tracked.segment_class)) require(tracked.old_segments >= 1);
    check(session, rest);
    if (session.flags[side].is_seeded) sent[side] = session.next[side];
  }
  return 0;
}
