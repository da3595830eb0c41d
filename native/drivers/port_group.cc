#include "drivers/port_group.h"

#include <linux/if_packet.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace headgate {
namespace {

// PACKET_FANOUT_FLAG_IGNORE_OUTGOING, later than the headers of Linux 6.1, which takes it and does nothing: hence the
// filter of AfPacketPort::let_in().
constexpr int kIgnoreOutgoing = 0x4000;
// The kernel's word for a group: its number, and how it spreads above that.
constexpr int kNumberMask = 0xffff, kHowShift = 16;

Failure refused(const std::string& name) {
  return {"driver_unfit", "sharing interface " + name + " among several workers failed: " + strerror(errno) +
                              "; workers: 1 needs no group"};
}

bool set(const AfPacketPort& port, int option, int value) {
  return setsockopt(port.fd(), SOL_PACKET, option, &value, sizeof value) == 0;
}

}  // namespace

std::optional<Failure> open_group(const std::string& name, const PortFacts& facts, size_t size, int program,
                                  PortGroup* group) {
  group->clear();
  const Intake intake = size > 1 ? Intake::Held : Intake::Open;
  int how = PACKET_FANOUT_EBPF | kIgnoreOutgoing | PACKET_FANOUT_FLAG_UNIQUEID;
  int number = 0;
  // Made in their order: it is that of their places in the group, also after the port was down and is up again.
  for (size_t i = 0; i < size; i++) {
    auto port = std::make_unique<AfPacketPort>();
    if (auto failure = port->open(name, facts, intake)) return failure;
    if (size > 1) {
      if (!set(*port, PACKET_FANOUT, number | how << kHowShift)) return refused(name);
      socklen_t bytes = sizeof number;
      if (getsockopt(port->fd(), SOL_PACKET, PACKET_FANOUT, &number, &bytes) != 0) return refused(name);
      number &= kNumberMask;
      how &= ~PACKET_FANOUT_FLAG_UNIQUEID;
      if (i == 0 && !set(*port, PACKET_FANOUT_DATA, program)) return refused(name);
    }
    group->push_back(std::move(port));
  }
  return std::nullopt;
}

std::optional<Failure> let_in(const std::string& name, const PortGroup& group) {
  if (group.size() < 2) return std::nullopt;
  for (const auto& port : group) {
    if (!port->let_in()) return refused(name);
  }
  return std::nullopt;
}

}  // namespace headgate
