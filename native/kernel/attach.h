// One of the kernel's programs at one port. It stays when the process that put it there ends.
#pragma once
#include <cstdint>
#include <string>

namespace headgate {

enum class Hook : uint8_t { Ingress, Egress };

// Puts `program` (a file descriptor; `kind`: HG_PROGRAM_...) at the interface of this index, in place of the one that an
// earlier call with the same `pin` put there, without a gap. `pin` is where the BPF file system keeps the program, so
// that it can be found again. 0, or an error as errno has it, negative. Whether a queueing discipline was added on the
// way is said in `added_qdisc`.
int attach(uint32_t interface, Hook hook, uint32_t kind, int program, const std::string& pin, bool* added_qdisc);

// Takes off what attach() put on, by this version or one before; harmless when there is nothing.
void detach(uint32_t interface, Hook hook, uint32_t kind, const std::string& pin, bool with_qdisc);

}  // namespace headgate
