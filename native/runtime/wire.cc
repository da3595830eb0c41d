#include "runtime/wire.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <memory>

namespace headgate {
namespace {

// How often the ports' existence, state and MTU are looked at.
constexpr uint64_t kInspectNs = 200'000'000;
constexpr uint64_t kCopyNs = 1'000'000'000;

}  // namespace

Wire::~Wire() { close(); }

std::optional<Failure> Wire::open(const WireOptions& options, Pipeline* pipeline) {
  options_ = options;
  pipeline_ = pipeline;
  names_[kInbound] = options.outside;
  names_[kOutbound] = options.inside;
  if (options.inside == options.outside)
    return Failure{"interface_in_use", "wire " + options.name + " has " + options.inside +
                                           " on both sides: a wire joins two interfaces"};
  for (const uint32_t side : {kOutbound, kInbound}) {
    if (auto failure = read_port(names_[side], &facts_[side])) return failure;
    if (auto failure = check_port(names_[side], facts_[side])) return failure;
  }
  if (facts_[kInbound].mtu != facts_[kOutbound].mtu)
    return Failure{"mtu_differs", "interface " + options.inside + " has MTU " + std::to_string(facts_[kOutbound].mtu) +
                                      " and " + options.outside + " has " + std::to_string(facts_[kInbound].mtu) +
                                      ": what passes one must pass the other, set both alike"};
  for (const uint32_t side : {kOutbound, kInbound}) {
    if (auto failure = claims_[side].take(names_[side], facts_[side])) return failure;
    if (auto failure = ports_[side].open(names_[side], facts_[side])) return failure;
  }
  wake_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  // What was tapped before the first beat, a gate has forwarded already.
  beat();
  thread_ = std::thread([this] { run(); });
  pthread_setname_np(thread_.native_handle(), ("wire " + options.name).substr(0, 15).c_str());
  return std::nullopt;
}

void Wire::close() {
  if (thread_.joinable()) {
    is_stopping_.store(true, std::memory_order_relaxed);
    eventfd_write(wake_, 1);
    thread_.join();
  }
  for (const uint32_t side : {kInbound, kOutbound}) {
    ports_[side].close();
    claims_[side].release();
  }
  if (wake_ >= 0) ::close(wake_);
  wake_ = -1;
}

std::vector<std::string> Wire::findings() const {
  std::vector<std::string> all = claims_[kOutbound].findings();
  const std::vector<std::string>& outside = claims_[kInbound].findings();
  all.insert(all.end(), outside.begin(), outside.end());
  return all;
}

void Wire::run() {
  const auto batch = std::make_unique<Batch>();
  // Before everything else that wants the processor: the ring holds some milliseconds only. Of this thread alone;
  // without the right to it, the wire works as well as the machine is idle.
  setpriority(PRIO_PROCESS, 0, -20);
  while (!is_stopping_.load(std::memory_order_relaxed)) {
    const bool had_inbound = carry(kInbound, batch.get());
    const bool had_outbound = carry(kOutbound, batch.get());
    beat();
    if (!had_inbound && !had_outbound) wait();
    if (clock_ns(CLOCK_MONOTONIC) - inspected_ns_ > kInspectNs) inspect();
  }
  options_.heartbeat.end();
}

bool Wire::carry(uint32_t direction, Batch* batch) {
  AfPacketPort& port = ports_[direction];
  if (port.receive(batch, &losses_[direction]) == 0) return false;
  for (uint32_t i = 0; i < batch->size; i++) {
    batch->packets[i].wire = options_.index;
    batch->packets[i].direction = static_cast<Direction>(direction);
  }
  pipeline_->process(batch->packets.data(), batch->size);
  if (options_.heartbeat.is_late())
    discarded_.add(batch->size);
  else
    ports_[1 - direction].send(batch, &passed_[direction], &losses_[direction]);
  port.release();
  return true;
}

void Wire::beat() {
  if (options_.heartbeat.beat()) return;
  const uint64_t now = clock_ns(CLOCK_REALTIME);
  for (AfPacketPort& port : ports_) discarded_.add(port.discard(now));
}

void Wire::wait() {
  std::array<pollfd, 3> on = {{{ports_[0].fd(), POLLIN, 0}, {ports_[1].fd(), POLLIN, 0}, {wake_, POLLIN, 0}}};
  const int ready = poll(on.data(), on.size(), options_.heartbeat.wait_ms());
  // New tables are taken up on a quiet wire too, so that the old ones can be freed.
  if (ready == 0) pipeline_->process(nullptr, 0);
  if (ready <= 0) return;
  for (uint32_t side = 0; side < 2; side++) {
    if ((on[side].revents & (POLLERR | POLLHUP | POLLNVAL)) == 0) continue;
    ports_[side].take_error();
    inspect();
  }
}

void Wire::inspect() {
  inspected_ns_ = clock_ns(CLOCK_MONOTONIC);
  bool is_down = false;
  for (uint32_t side = 0; side < 2; side++) {
    PortFacts now;
    const bool exists = !read_port(names_[side], &now).has_value();
    // The same name with another index is another interface: the old socket will never hear again.
    if (exists && now.is_up && now.index != facts_[side].index) {
      facts_[side] = now;
      if (!reopen(side)) facts_[side].index = 0;  // tried again at the next inspection
    }
    is_down = is_down || !exists || !now.is_up || facts_[side].index == 0;
    if (const uint64_t drops = ports_[side].take_drops(); drops > 0) losses_[side].add(Loss::RingFull, drops);
  }
  if (inspected_ns_ - copied_ns_ > kCopyNs) copy_tables();
  state_.store(is_down ? WireState::Down : WireState::Forwarding, std::memory_order_relaxed);
}

void Wire::copy_tables() {
  copied_ns_ = inspected_ns_;
  sessions_occupied_.store(pipeline_->sessions().stats().occupied, std::memory_order_relaxed);
  auto& table = pipeline_->resolvers().table();
  if (table.stats().occupied == 0) return;
  const std::lock_guard lock(copy_);
  resolvers_.clear();
  for (size_t i = 0; i < table.slots(); i++) {
    if (table.at(i).hash != 0) resolvers_.push_back(table.at(i));
  }
}

std::vector<Resolver> Wire::resolvers() const {
  const std::lock_guard lock(copy_);
  return resolvers_;
}

bool Wire::reopen(uint32_t side) {
  ports_[side].close();
  claims_[side].release();
  if (check_port(names_[side], facts_[side]).has_value()) return false;
  return !claims_[side].take(names_[side], facts_[side]).has_value() &&
         !ports_[side].open(names_[side], facts_[side]).has_value();
}

}  // namespace headgate
