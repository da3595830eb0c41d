// The other end of a virtual Ethernet, where it can be seen from here: driver xdp asks things of it that a real card
// does by itself.
#pragma once
#include <optional>
#include <string>

namespace headgate {

struct PeerFacts {
  std::string space;  // name of its network namespace; empty for our own
  std::string name;
  bool finishes_checksums = false;  // tx checksum offload is off
  bool tags_in_frame = false;       // 802.1q tags are written into frames, not into metadata
  bool takes_frames = false;        // GRO is on: frames without a buffer are taken
};

// None when `name` is no virtual Ethernet, or its end is in a namespace that has no name or may not be entered.
std::optional<PeerFacts> read_peer(const std::string& name);

}  // namespace headgate
