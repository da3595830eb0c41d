// Several sockets at one port, one for each packet loop, which share what comes in.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "drivers/af_packet.h"

namespace headgate {

using PortGroup = std::vector<std::unique_ptr<AfPacketPort>>;

// Opens `size` sockets. With more than one each packet goes to the socket that the value of `program` says, an eBPF socket
// filter, modulo their number (PACKET_FANOUT_EBPF); nothing is received before let_in().
std::optional<Failure> open_group(const std::string& name, const PortFacts& facts, size_t size, int program,
                                  PortGroup* group);

// From now on each receives its share: to be called once all ports of the wire are there.
std::optional<Failure> let_in(const std::string& name, const PortGroup& group);

}  // namespace headgate
