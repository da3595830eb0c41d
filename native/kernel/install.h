// Puts the kernel's programs on a wire's ports, takes them off, and shares their state with the unit.
#pragma once
#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "abi/gate.h"
#include "drivers/failure.h"

namespace headgate {

struct GateOptions {
  std::string wire;
  std::string inside;
  std::string outside;
  std::string object;  // path of the compiled wire.bpf.o
  uint32_t program = HG_PROGRAM_GATE;
  uint64_t stale_ns = 20'000'000;
};

// Attaches a program to both ports and pins its maps. From then on the kernel forwards: with HG_PROGRAM_GATE until a
// packet loop beats, else always. The same again replaces the program without a gap and keeps the heartbeat; another
// one takes the first off before.
std::optional<Failure> install_gate(const GateOptions& options);

// Takes everything off that install put on. `not_installed` when there is nothing.
std::optional<Failure> release_gate(const std::string& wire);

// The state of an installed program, mapped. Closing it leaves it installed.
class Gate {
 public:
  Gate() = default;
  ~Gate();
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  // `not_installed` when no gate is pinned for this wire in this network namespace, or one of another version of
  // headgate, which forwards on but which this one cannot talk to.
  std::optional<Failure> open(const std::string& wire);
  void close();

  bool is_open() const { return page_ != nullptr; }
  hg_gate* state() const { return page_; }
  // The unit is about to forward with so many packet loops, none of which has beaten yet: the kernel forwards until
  // each does.
  void begin(uint32_t workers) const;
  // The oldest of the packet loops' last beats; 0 when one of them is not there.
  uint64_t oldest_beat() const;
  // Counted since it was installed, all CPUs together; of one packet loop, or of all that there ever were.
  hg_bypassed bypassed(uint32_t direction, uint32_t worker) const;
  hg_bypassed bypassed(uint32_t direction) const;
  hg_tallies tallies() const;
  // The ring of header copies; owned by the gate.
  int copies() const { return copies_; }
  // The map of tables and counts (abi/flat.h), and that of sessions that keep their link; owned by the gate.
  int published() const { return published_; }
  int exceptions() const { return exceptions_; }
  // Those sessions as they are now, in no order; their number.
  size_t each_exception(const std::function<void(const hg_exception_key&, uint8_t link)>& visit) const;

 private:
  hg_gate* page_ = nullptr;
  int bypassed_ = -1;
  int copies_ = -1;
  int tallies_ = -1;
  int published_ = -1;
  int exceptions_ = -1;
};

}  // namespace headgate
