// What the native tests share: seeded randomness with its seed in the output, packets built from parts,
// a pipeline with its memory.
#pragma once
#include <doctest/doctest.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "core/pipeline.h"
#include "runtime/memory.h"

namespace headgate::test {

inline bool is_long() {
  const char* value = std::getenv("HEADGATE_LONG");
  return value != nullptr && std::string(value) == "1";
}

// Real captures and routing data, by path; a test that needs them skips where they are not.
inline std::filesystem::path captures_folder() {
  const char* given = std::getenv("HEADGATE_CAPTURES");
  return given != nullptr ? given : "../../shared/captures";
}

// HEADGATE_SEED repeats a failed run.
inline uint64_t seed() {
  static const uint64_t value = [] {
    const char* given = std::getenv("HEADGATE_SEED");
    return given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  }();
  return value;
}

class Random {
 public:
  explicit Random(uint64_t salt) : engine_(seed() * 1'000'003 + salt) {}
  uint64_t next() { return engine_(); }
  uint32_t below(uint32_t bound) { return static_cast<uint32_t>(engine_() % bound); }
  bool one_in(uint32_t n) { return below(n) == 0; }

 private:
  std::mt19937_64 engine_;
};

struct Owned {
  explicit Owned(const PipelineSettings& settings)
      : memory(Pipeline::bytes(settings)), pipeline(settings, memory.data()) {}
  Memory memory;
  Pipeline pipeline;
};

// A frame with headroom in a buffer of exactly its size, so that a sanitizer sees a read past it.
struct Frame {
  std::vector<uint8_t> bytes;
  Packet packet{};

  Frame(const std::vector<uint8_t>& content, uint16_t link_type, uint64_t time_us = 0) {
    bytes.assign(kHeadroom, 0);
    bytes.insert(bytes.end(), content.begin(), content.end());
    bytes.shrink_to_fit();
    packet.data = bytes.data() + kHeadroom;
    packet.captured = packet.wire_length = static_cast<uint32_t>(content.size());
    packet.time_ns = time_us * 1000;
    packet.link_type = link_type;
  }
  Frame(const Frame&) = delete;
  Frame& operator=(const Frame&) = delete;
};

struct TcpShape {
  uint32_t source = 0x0a000001, destination = 0xc6336401;
  uint16_t source_port = 40000, destination_port = 80;
  uint32_t seq = 0, ack = 0;
  uint8_t flags = kTcpAck;
  uint16_t window = 1000;
  uint32_t payload = 0;
  bool has_timestamps = false;
  uint32_t tsval = 0, tsecr = 0;
  uint16_t ip_id = 0;
  uint8_t tos = 0;
  uint16_t mss = 0;
  std::vector<std::array<uint32_t, 2>> sack = {};
};

// A raw IPv4 packet with a right header checksum; the payload is zeros.
std::vector<uint8_t> ipv4_tcp(const TcpShape& shape);
// The same behind an Ethernet header with these tags (TCI values, outermost first).
std::vector<uint8_t> ethernet(const std::vector<uint8_t>& ip, const std::vector<uint16_t>& tags = {});
// The IPv4 header checksum as RFC 1071 defines it, over the header as it stands: 0 when it is right.
uint16_t header_checksum(const uint8_t* ip);

}  // namespace headgate::test
