// The hashes that an answer depends on. The same as in src/core/wire/dns, bit for bit.
#pragma once
#include <cstddef>
#include <cstdint>

namespace headgate::dns {

inline constexpr uint32_t kFnvStart = 0x811c9dc5;

// FNV-1a, 32 bits, continued from `hash`.
inline uint32_t fnv1a(const uint8_t* bytes, size_t length, uint32_t hash = kFnvStart) {
  for (size_t i = 0; i < length; i++) hash = (hash ^ bytes[i]) * 0x01000193u;
  return hash;
}

// The finaliser of MurmurHash3 (public domain, A. Appleby).
inline uint32_t mix(uint32_t h) {
  h = (h ^ (h >> 16)) * 0x85ebca6bu;
  h = (h ^ (h >> 13)) * 0xc2b2ae35u;
  return h ^ (h >> 16);
}

// SipHash-2-4, 64 bits of output (Aumasson and Bernstein, 2012), for cookies as RFC 9018 section 4.4 makes them.
// `key` has 16 bytes.
uint64_t siphash24(const uint8_t* key, const uint8_t* message, size_t length);

}  // namespace headgate::dns
