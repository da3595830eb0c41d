// hg_tuple_hash of four packets of IPv4 at a time: by itself each is a chain of eight products that the processor waits for.
#pragma once
#include "byte_order.h"
#include "common_packet.h"
#include "mark.h"
#include "parse.h"

namespace headgate {

// In the compiler's own vector types: without such registers it makes the same of scalars.
using Lanes = uint32_t __attribute__((vector_size(16)));

inline Lanes mix_lanes(Lanes h, Lanes word) {
  h = (h ^ word) * 0x85ebca6bu;
  h ^= h >> 13;
  h *= 0xc2b2ae35u;
  return h ^ (h >> 16);
}

// Of common packets, each given by its first byte. `hash` takes what hg_tuple_hash gives for each.
inline void tuple_hash_lanes(const uint32_t key[2], const uint8_t* const packet[4], uint32_t hash[4]) {
  // Source, destination and ports stand in a row.
  Lanes word[4];
  for (unsigned i = 0; i < 4; i++) word[i] = load<Lanes>(packet[i] + CommonPacket::kAddresses);
  const Lanes low01 = __builtin_shufflevector(word[0], word[1], 0, 4, 1, 5);
  const Lanes low23 = __builtin_shufflevector(word[2], word[3], 0, 4, 1, 5);
  const Lanes high01 = __builtin_shufflevector(word[0], word[1], 2, 6, 3, 7);
  const Lanes high23 = __builtin_shufflevector(word[2], word[3], 2, 6, 3, 7);
  const Lanes source = __builtin_shufflevector(low01, low23, 0, 1, 4, 5);
  const Lanes destination = __builtin_shufflevector(low01, low23, 2, 3, 6, 7);
  const Lanes ports = __builtin_shufflevector(high01, high23, 0, 1, 4, 5);
  const uint32_t first = hg_mix32(0x9e3779b9u ^ key[0], kProtocolTcp);
  Lanes h = mix_lanes(Lanes{first, first, first, first}, ports);
  h = mix_lanes(h, source);
  h = mix_lanes(h, destination);
  h = mix_lanes(h, Lanes{key[1], key[1], key[1], key[1]});
  for (unsigned i = 0; i < 4; i++) hash[i] = h[i];
}

}  // namespace headgate
