// Super-packets of more than 64 KiB (BIG TCP over IPv6), cut into several that IPv6 has a length for.
//
// Linux takes such a packet from a packet socket, trusts no length that user space says, and on the way to checking it
// takes its jumbo payload option off: what arrives says that it is empty, and is dropped (seen with 6.18). Pure.
#pragma once
#include <sys/uio.h>

#include <array>
#include <cstdint>

#include "drivers/driver.h"

namespace headgate {

struct BigPacket {
  // Of 512 KiB, with the largest payload that 16 bits can tell.
  static constexpr uint32_t kPartsMax = 10;
  // Offload state, Ethernet with two tags, IPv6, TCP with all its options.
  static constexpr uint32_t kHeadMax = sizeof(Offload) + 22 + 40 + 60;

  struct Part {
    std::array<iovec, 2> pieces;  // its headers, and its payload where it lies in the frame
    uint32_t segments;
  };

  // The frame as it would be sent, its tags in place. False when it is no IPv6 TCP super-packet of that length, and
  // nothing was done. The parts hold until the next call and as long as the frame does.
  bool cut(uint8_t* frame, uint32_t length, const Offload& offload);

  std::array<Part, kPartsMax> parts;
  uint32_t size = 0;

 private:
  std::array<std::array<uint8_t, kHeadMax>, kPartsMax> heads_;
};

}  // namespace headgate
