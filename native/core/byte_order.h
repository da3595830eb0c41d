// Reads and writes of network-order fields at any alignment.
#pragma once
#include <cstdint>
#include <cstring>

namespace headgate {

template <typename T>
inline T load(const uint8_t* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}
template <typename T>
inline void store(uint8_t* at, T value) {
  std::memcpy(at, &value, sizeof value);
}

inline uint16_t load_be16(const uint8_t* at) { return __builtin_bswap16(load<uint16_t>(at)); }
inline uint32_t load_be32(const uint8_t* at) { return __builtin_bswap32(load<uint32_t>(at)); }
inline uint64_t load_be64(const uint8_t* at) { return __builtin_bswap64(load<uint64_t>(at)); }
inline void store_be16(uint8_t* at, uint16_t value) { store(at, __builtin_bswap16(value)); }

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "records and table keys assume little-endian");

// The value, of which the compiler no longer knows what it came from. Where traffic is random a branch is guessed wrong
// every other time, at the cost of 30 instructions, and compilers make branches even of what is reckoned without one.
template <typename T>
inline T reckoned(T value) {
  __asm__("" : "+r"(value));
  return value;
}

}  // namespace headgate
