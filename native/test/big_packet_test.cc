#include "drivers/big_packet.h"

#include <cstring>
#include <random>

#include "core/byte_order.h"
#include "support.h"

namespace headgate::test {
namespace {

using Bytes = std::vector<uint8_t>;

constexpr uint8_t kAckPshFinCwr = 0x99;
constexpr uint16_t kSegment = 1428;

// A frame of BIG TCP: `tagged` with a tag, `jumbo` with the option that says its length, as Linux sent it before 7.0.
Bytes big_frame(uint32_t payload_bytes, bool tagged, bool jumbo) {
  Bytes frame(12, 2);
  const auto append = [&frame](std::initializer_list<int> bytes) {
    for (const int byte : bytes) frame.push_back(static_cast<uint8_t>(byte));
  };
  if (tagged) append({0x81, 0, 0, 7});
  append({0x86, 0xdd, 0x60, 0, 0, 0, 0, 0, jumbo ? 0 : 6, 64});
  for (int i = 0; i < 32; i++) append({i * 7 + 1});
  const uint32_t length = payload_bytes + 32 + 8;
  if (jumbo) append({6, 0, 0xc2, 4, 0, static_cast<int>(length >> 16), static_cast<int>(length >> 8 & 255), static_cast<int>(length & 255)});
  append({0x9c, 0x40, 0x14, 0x51, 0xff, 0xff, 0xff, 0x00, 0, 0, 0, 9, 0x80, kAckPshFinCwr, 1, 0, 0xab, 0xcd, 0, 0});
  append({1, 1, 8, 10, 0, 0, 0, 5, 0, 0, 0, 6});
  for (uint32_t i = 0; i < payload_bytes; i++) frame.push_back(static_cast<uint8_t>(i ^ i >> 8 ^ i >> 16));
  return frame;
}

// As RFC 1071 has it, over the pseudo-header and everything behind the IPv6 header: 0 where the checksum holds, once
// the field, which has the pseudo-header's sum, is finished.
uint16_t unfinished(const Bytes& packet, uint32_t network) {
  uint64_t sum = 0;
  for (uint32_t i = 0; i < 32; i += 2) sum += load_be16(&packet[network + 8 + i]);
  sum += 6 + packet.size() - network - 40;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(sum);
}

}  // namespace

TEST_CASE("a super-packet of BIG TCP is cut where IPv6 can say its length, and nothing of it is lost") {
  for (const uint32_t payload : {69'972u, 65'504u, 261'324u, 512u << 10}) {
    for (const bool tagged : {false, true}) {
      for (const bool jumbo : {false, true}) {
        Bytes frame = big_frame(payload, tagged, jumbo);
        const uint32_t network = tagged ? 18 : 14;
        Offload offload;
        offload.flags = 1;
        offload.gso_type = 0x84;
        offload.gso_size = kSegment;
        const auto big = std::make_unique<BigPacket>();
        REQUIRE(big->cut(frame.data(), static_cast<uint32_t>(frame.size()), offload));
        Bytes all;
        uint32_t segments = 0;
        for (uint32_t i = 0; i < big->size; i++) {
          Bytes packet;
          for (const iovec& piece : big->parts[i].pieces) {
            const auto* from = static_cast<const uint8_t*>(piece.iov_base);
            packet.insert(packet.end(), from, from + piece.iov_len);
          }
          Offload own;
          std::memcpy(&own, packet.data(), sizeof own);
          packet.erase(packet.begin(), packet.begin() + sizeof own);
          CHECK(load_be16(&packet[network + 4]) == packet.size() - network - 40);
          CHECK(packet[network + 6] == 6);
          CHECK(std::memcmp(packet.data(), frame.data(), network + 4) == 0);
          const uint8_t* tcp = &packet[network + 40];
          CHECK(load_be32(tcp + 4) == static_cast<uint32_t>(0xffffff00u + all.size()));
          const bool is_last = i + 1 == big->size;
          CHECK(tcp[13] == (0x10 | (i == 0 ? 0x80 : 0) | (is_last ? 0x09 : 0)));
          CHECK(load_be16(tcp + 16) == unfinished(packet, network));
          CHECK(own.checksum_start == network + 40);
          const size_t bytes = packet.size() - own.header_length;
          CHECK(own.gso_size == (bytes > kSegment ? kSegment : 0));
          if (!is_last) CHECK(bytes % kSegment == 0);
          segments += big->parts[i].segments;
          all.insert(all.end(), packet.begin() + own.header_length, packet.end());
        }
        CHECK(all == Bytes(frame.end() - payload, frame.end()));
        CHECK(segments == (payload + kSegment - 1) / kSegment);
      }
    }
  }
}

TEST_CASE("what is no super-packet of BIG TCP stays whole, and a header that lies is not believed") {
  const auto big = std::make_unique<BigPacket>();
  Offload offload;
  offload.gso_type = 4;
  offload.gso_size = kSegment;
  const auto is_cut = [&](Bytes& frame) { return big->cut(frame.data(), static_cast<uint32_t>(frame.size()), offload); };
  Bytes whole = big_frame(65'535 - 32, false, false);
  CHECK_FALSE(is_cut(whole));
  Bytes long_one = big_frame(100'000, false, true);
  CHECK(is_cut(long_one));
  for (const uint8_t length : {uint8_t{0x40}, uint8_t{0x00}}) {
    Bytes short_header = long_one;
    short_header[14 + 48 + 12] = length;
    CHECK_FALSE(is_cut(short_header));
  }
  Bytes too_long = big_frame(700'000, false, false);
  CHECK_FALSE(is_cut(too_long));
  Bytes cut_off(long_one.begin(), long_one.begin() + 60);
  CHECK_FALSE(is_cut(cut_off));
  offload.gso_type = 1;
  CHECK_FALSE(is_cut(long_one));
}

TEST_CASE("damaged headers of BIG TCP: every part lies within the frame, whatever they say") {
  const auto big = std::make_unique<BigPacket>();
  Offload offload;
  offload.gso_type = 4;
  std::mt19937 random(7);
  for (const bool jumbo : {false, true}) {
    Bytes frame = big_frame(66'000, true, jumbo);
    for (int round = 0; round < 3'000; round++) {
      const size_t at = random() % 110;
      const uint8_t was = frame[at];
      frame[at] = static_cast<uint8_t>(random());
      offload.gso_size = static_cast<uint16_t>(random() % 4 == 0 ? random() : 1428);
      // Now and then a frame that ends in its headers: behind it is nothing that may be read.
      Bytes cut_off(frame.begin(), frame.begin() + static_cast<int>(random() % 130));
      CHECK_FALSE(big->cut(cut_off.data(), static_cast<uint32_t>(cut_off.size()), offload));
      if (big->cut(frame.data(), static_cast<uint32_t>(frame.size()), offload)) {
        const uint8_t* next = static_cast<const uint8_t*>(big->parts[0].pieces[1].iov_base);
        for (uint32_t i = 0; i < big->size; i++) {
          CHECK(big->parts[i].pieces[0].iov_len <= BigPacket::kHeadMax);
          CHECK(big->parts[i].pieces[1].iov_base == next);
          next += big->parts[i].pieces[1].iov_len;
        }
        CHECK(next == frame.data() + frame.size());
      }
      frame[at] = was;
    }
  }
}

}  // namespace headgate::test
