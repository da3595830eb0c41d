// A network interface as one port of a wire: checked before use, made silent, given back as it was.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "drivers/failure.h"

namespace headgate {

struct PortFacts {
  int index = 0;
  uint32_t mtu = 0;       // bytes of network-layer packet
  bool is_up = false;     // administratively
  bool has_carrier = false;
  bool is_ethernet = false;
  std::string driver;     // the kernel's name of it: "veth", "ixgbe"; empty when it tells none
};

// Reads what the kernel knows; `interface_missing` when there is no such interface.
std::optional<Failure> read_port(const std::string& name, PortFacts* facts);

// Sets the interface administratively up or down; whether that was possible.
bool set_up(const std::string& name, bool is_up);

// Whether the interface can be a port: it exists, is up, is Ethernet, has no address and no master, and no other
// headgate holds it.
std::optional<Failure> check_port(const std::string& name, const PortFacts& facts);

// The same but for the address: wrapped copies are sent to it.
std::optional<Failure> check_mirror_port(const std::string& name, const PortFacts& facts);
bool has_address(const std::string& name);

// Reads and checks both ports of a wire: each fit by itself, not the same, and of one MTU.
std::optional<Failure> check_pair(const std::string& wire, const std::string& inside, const std::string& outside,
                                  PortFacts* inside_facts, PortFacts* outside_facts);

// An addressed port goes on to answer for its address.
enum class PortUse : uint8_t { Silent, Addressed };

// Holds a port for as long as it lives. Silences our own stack on it (no IPv6 link-local address, no ARP answer for
// addresses of other interfaces) and, on a real card, switches off receive offloads that cannot be undone on the
// way out. The destructor restores what it changed.
class PortClaim {
 public:
  PortClaim() = default;
  ~PortClaim();
  PortClaim(const PortClaim&) = delete;
  PortClaim& operator=(const PortClaim&) = delete;

  std::optional<Failure> take(const std::string& name, const PortFacts& facts, PortUse use = PortUse::Silent);
  void release();

  // One line for each thing changed or found, for the log.
  const std::vector<std::string>& findings() const { return findings_; }

 private:
  struct Saved {
    std::string path;  // below /proc/sys, or "gro" / "lro" for an offload
    std::string value;
  };

  void set_sysctl(const std::string& path, const std::string& value);
  void switch_off(const char* offload);

  std::string name_;
  int lock_ = -1;  // a socket bound to an abstract name: the kernel lets go of it whatever happens to us
  std::vector<Saved> saved_;
  std::vector<std::string> findings_;
};

}  // namespace headgate
