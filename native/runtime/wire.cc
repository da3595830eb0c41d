#include "runtime/wire.h"

#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "drivers/port.h"

namespace headgate {
namespace {

constexpr uint64_t kCopyNs = 1'000'000'000;

// Where packets of a direction come in.
const std::string& port_of(const WireOptions& options, uint32_t direction) {
  return direction == static_cast<uint32_t>(Direction::Inbound) ? options.outside : options.inside;
}

}  // namespace

void Wire::start(int nice) {
  wake_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  thread_ = std::thread([this, nice] {
    // Of this thread alone; without the right to it, the wire works as well as the machine is idle.
    setpriority(PRIO_PROCESS, 0, nice);
    run();
  });
  pthread_setname_np(thread_.native_handle(), ("wire " + options_.name).substr(0, 15).c_str());
}

void Wire::stop() {
  if (!thread_.joinable()) return;
  is_stopping_.store(true, std::memory_order_relaxed);
  eventfd_write(wake_, 1);
  thread_.join();
  ::close(wake_);
  wake_ = -1;
}

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

void Wire::copy_tables(uint64_t now_ns) {
  if (now_ns - copied_ns_ < kCopyNs) return;
  copied_ns_ = now_ns;
  sessions_occupied_.store(pipeline_->sessions().stats().occupied, std::memory_order_relaxed);
  auto& resolvers = pipeline_->resolvers().table();
  if (resolvers.stats().occupied != 0) {
    const std::lock_guard lock(copy_);
    resolvers_.clear();
    for (size_t i = 0; i < resolvers.slots(); i++) {
      if (resolvers.at(i).hash != 0) resolvers_.push_back(resolvers.at(i));
    }
  }
  NetworkTable& networks = pipeline_->networks();
  if (networks.occupied() != 0) {
    const std::lock_guard lock(copy_);
    networks_.clear();
    networks.each([this](const Network& network) { networks_.push_back(network); });
  }
  if (!pipeline_->settings().finds_heaviest) return;
  const std::lock_guard lock(copy_);
  heaviest_.clear();
  for (size_t i = 0; i < HeavyTable::slots(); i++) {
    const HeavySession& at = pipeline_->heaviest().at(i);
    if (at.bytes == 0) continue;
    const Session* session = at.tag.hash == 0 ? nullptr : pipeline_->sessions().find(at.tag);
    if (session == nullptr || session->state != SessionState::Closed) heaviest_.push_back(at);
  }
}

std::vector<HeavySession> Wire::heaviest() const {
  const std::lock_guard lock(copy_);
  return heaviest_;
}

std::vector<Network> Wire::networks() const {
  const std::lock_guard lock(copy_);
  return networks_;
}

std::vector<Resolver> Wire::resolvers() const {
  const std::lock_guard lock(copy_);
  return resolvers_;
}

}  // namespace headgate
