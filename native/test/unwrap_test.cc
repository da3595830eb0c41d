#include "core/unwrap.h"

#include "support.h"

namespace headgate::test {
namespace {

using Bytes = std::vector<uint8_t>;

Bytes join(std::initializer_list<Bytes> parts) {
  Bytes out;
  for (const auto& part : parts) out.insert(out.end(), part.begin(), part.end());
  return out;
}

// An Ethernet frame with IPv4 of this protocol around `payload`.
Bytes outer(uint8_t protocol, const Bytes& payload) {
  const auto length = static_cast<uint16_t>(20 + payload.size());
  Bytes ip = {0x45, 0, static_cast<uint8_t>(length >> 8), static_cast<uint8_t>(length), 0, 0, 0, 0, 64, protocol, 0, 0,
              10,   0, 0,                                 1,                            10, 0, 0, 2};
  return ethernet(join({ip, payload}));
}

const Bytes kErspan2 = {0x10, 0x00, 0x88, 0xbe, 0, 0, 0, 7};

Bytes udp(uint16_t port, const Bytes& payload) {
  const auto length = static_cast<uint16_t>(8 + payload.size());
  return join({{0xc0, 0, static_cast<uint8_t>(port >> 8), static_cast<uint8_t>(port), static_cast<uint8_t>(length >> 8),
                static_cast<uint8_t>(length), 0, 0},
               payload});
}

const Bytes kVxlan = {0x08, 0, 0, 0, 0, 0, 42, 0};

}  // namespace

TEST_CASE("a mirrored frame comes out of its wrapping as it went in") {
  const Bytes copied = ethernet(ipv4_tcp({}));
  const std::vector<Bytes> cases = {
      outer(47, join({{0, 0, 0x88, 0xbe}, copied})),
      outer(47, join({kErspan2, {0x10, 0, 0, 5, 0, 0, 0, 0}, copied})),
      outer(17, udp(4789, join({kVxlan, copied}))),
  };
  for (const Bytes& wrapped : cases) {
    Frame frame(wrapped, 1);
    REQUIRE(unwrap(frame.packet));
    CHECK(Bytes(frame.packet.data, frame.packet.data + frame.packet.captured) == copied);
    CHECK(frame.packet.wire_length == copied.size());
    CHECK_FALSE(frame.packet.has_vlan);
    Parsed parsed;
    parse(frame.packet, parsed);
    CHECK(parsed.has_tcp);
    // What was copied holds nothing further.
    CHECK_FALSE(unwrap(frame.packet));
  }
}

TEST_CASE("the tag that a switch took off stands in the ERSPAN header") {
  // VLAN 0x234, priority 5, encapsulation type 2.
  Frame frame(outer(47, join({kErspan2, {0x12, 0x34, 0xb0, 0x05, 0, 0, 0, 0}, ethernet(ipv4_tcp({}))})), 1);
  REQUIRE(unwrap(frame.packet));
  CHECK(frame.packet.has_vlan);
  CHECK(frame.packet.vlan_tci == 0xa234);
  Parsed parsed;
  parse(frame.packet, parsed);
  CHECK(parsed.vlan == 0x234);
}

TEST_CASE("what is no wrapped copy stays as it is") {
  const Bytes copied = ethernet(ipv4_tcp({}));
  const std::vector<Bytes> cases = {
      copied,
      outer(47, join({{0, 0, 8, 0}, copied})),                                          // GRE with IPv4
      outer(47, join({{0x30, 0, 0x88, 0xbe, 0, 0, 0, 7, 0, 0, 0, 0}, copied})),           // GRE with a key
      outer(47, join({kErspan2, {0x20, 0, 0, 5, 0, 0, 0, 0}, copied})),                  // another version
      outer(17, udp(4790, join({kVxlan, copied}))),                                      // another port
      outer(17, udp(4789, join({{0, 0, 0, 0, 0, 0, 42, 0}, copied}))),                   // no identifier
      outer(17, udp(4789, join({kVxlan, Bytes(copied.begin(), copied.begin() + 13)}))),  // no whole header
  };
  for (const Bytes& other : cases) {
    Frame frame(other, 1);
    CHECK_FALSE(unwrap(frame.packet));
    CHECK(frame.packet.captured == other.size());
  }
}

TEST_CASE("any bytes, cut anywhere: nothing is read past the end") {
  Random random(1);
  const Bytes whole = outer(47, join({kErspan2, {0x12, 0x34, 0xb0, 5, 0, 0, 0, 0}, ethernet(ipv4_tcp({}))}));
  for (int i = 0; i < 20'000; i++) {
    Bytes bytes(whole.begin(), whole.begin() + random.below(static_cast<uint32_t>(whole.size()) + 1));
    if (!bytes.empty() && random.one_in(2)) bytes[random.below(static_cast<uint32_t>(bytes.size()))] ^= 1u << random.below(8);
    Frame frame(bytes, 1);
    const bool is_copy = unwrap(frame.packet);
    CHECK(frame.packet.captured <= bytes.size());
    if (is_copy) CHECK(frame.packet.captured >= 14);
  }
}

}  // namespace headgate::test
