#include "core/byte_order.h"
#include "dns/hash.h"

namespace headgate::dns {
namespace {

uint64_t rotate(uint64_t value, unsigned bits) { return (value << bits) | (value >> (64 - bits)); }

struct State {
  uint64_t v0, v1, v2, v3;

  void round() {
    v0 += v1;
    v1 = rotate(v1, 13) ^ v0;
    v0 = rotate(v0, 32);
    v2 += v3;
    v3 = rotate(v3, 16) ^ v2;
    v0 += v3;
    v3 = rotate(v3, 21) ^ v0;
    v2 += v1;
    v1 = rotate(v1, 17) ^ v2;
    v2 = rotate(v2, 32);
  }

  void absorb(uint64_t word) {
    v3 ^= word;
    round();
    round();
    v0 ^= word;
  }
};

}  // namespace

uint64_t siphash24(const uint8_t* key, const uint8_t* message, size_t length) {
  const uint64_t k0 = load<uint64_t>(key), k1 = load<uint64_t>(key + 8);
  State state{k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573};
  size_t at = 0;
  for (; at + 8 <= length; at += 8) state.absorb(load<uint64_t>(message + at));
  uint64_t last = static_cast<uint64_t>(length) << 56;
  for (size_t i = 0; at + i < length; i++) last |= static_cast<uint64_t>(message[at + i]) << (8 * i);
  state.absorb(last);
  state.v2 ^= 0xff;
  for (int i = 0; i < 4; i++) state.round();
  return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}

}  // namespace headgate::dns
