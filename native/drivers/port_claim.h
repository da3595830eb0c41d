// Holds a port for as long as it lives. Silences our own stack on it (no IPv6 link-local address, no ARP answer for
// addresses of other interfaces) and, on a real card, switches off receive offloads that cannot be undone on the way out.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "abi/gate.h"
#include "drivers/failure.h"
#include "drivers/port.h"

namespace headgate {

// An addressed port goes on to answer for its address.
enum class PortUse : uint8_t { Silent, Addressed };

// Puts back what a claim changed on this interface, by what it wrote down (hg_gate::kept), and forgets it.
void restore_port(const std::string& name, hg_u8* kept);

class PortClaim {
 public:
  PortClaim() = default;
  ~PortClaim();
  PortClaim(const PortClaim&) = delete;
  PortClaim& operator=(const PortClaim&) = delete;

  // `kept`, of HG_PORT_SETTINGS: where what is changed is written down, in memory that outlives this process and then
  // holds what one before us could not put back; it outlives the claim. None: the claim's own.
  std::optional<Failure> take(const std::string& name, const PortFacts& facts, hg_u8* kept,
                              PortUse use = PortUse::Silent);
  // Puts back what take() changed.
  void release();

  // One line for each thing changed or found, for the log.
  const std::vector<std::string>& findings() const { return findings_; }

 private:
  void hold(uint32_t setting, uint8_t wanted);

  std::string name_;
  int lock_ = -1;  // a socket bound to an abstract name: the kernel lets go of it whatever happens to us
  std::array<hg_u8, HG_PORT_SETTINGS> own_ = {};
  hg_u8* kept_ = nullptr;
  std::vector<std::string> findings_;
};

}  // namespace headgate
