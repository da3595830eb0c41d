// A network interface as one port of a wire: what the kernel knows of it, and whether it is fit.
#pragma once
#include <cstdint>
#include <optional>
#include <string>

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

}  // namespace headgate
