#include "runtime/wire.h"

#include "drivers/port.h"

namespace headgate {
namespace {

// Where packets of a direction come in.
const std::string& port_of(const WireOptions& options, uint32_t direction) {
  return direction == static_cast<uint32_t>(Direction::Inbound) ? options.outside : options.inside;
}

}  // namespace

void Wire::undo_lowering(const Gate* gate, const WireOptions& options) {
  if (gate == nullptr || !gate->is_open()) return;
  for (const uint32_t direction : {kInbound, kOutbound}) {
    uint32_t& changed = gate->state()->changed[direction];
    if ((changed & HG_CHANGED_LOWERED) == 0) continue;
    set_up(port_of(options, direction), true);
    changed &= ~HG_CHANGED_LOWERED;
  }
}

void Wire::pass_links(const Gate* gate, uint64_t now_ns) {
  if (!options_.passes_link_state) return;
  std::array<LinkPass::Port, 2> ports;
  for (const uint32_t direction : {kInbound, kOutbound}) {
    PortFacts facts;
    if (read_port(port_of(options_, direction), &facts).has_value()) continue;
    ports[direction] = {facts.is_up, facts.has_carrier};
  }
  const LinkPass::Change change = links_.step(ports, now_ns);
  for (const uint32_t direction : {kInbound, kOutbound}) {
    if (!change[direction].has_value()) continue;
    const bool is_up = *change[direction];
    // Written down first: whatever happens to us, the port is taken up again.
    if (gate != nullptr && !is_up) gate->state()->changed[direction] |= HG_CHANGED_LOWERED;
    set_up(port_of(options_, direction), is_up);
    if (gate != nullptr && is_up) gate->state()->changed[direction] &= ~HG_CHANGED_LOWERED;
  }
}

void Wire::raise_ports(const Gate* gate) {
  for (const uint32_t direction : {kInbound, kOutbound}) {
    if (links_.is_lowered(direction)) set_up(port_of(options_, direction), true);
    if (gate != nullptr && gate->is_open()) gate->state()->changed[direction] &= ~HG_CHANGED_LOWERED;
  }
  links_ = {};
}

}  // namespace headgate
