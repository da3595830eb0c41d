#include "kernel/install.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <grp.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "drivers/control_socket.h"
#include "drivers/port.h"
#include "drivers/port_claim.h"
#include "kernel/attach.h"

namespace headgate {
namespace {

// A mount of our own: the system's at /sys/fs/bpf is closed to the user that the unit runs as.
constexpr const char* kFileSystem = "/run/headgate-wire";
constexpr const char* kGroup = "headgate";
constexpr long kFileSystemMagic = 0xcafe4a11;
// More than the map ever has in one bucket of its own.
constexpr uint32_t kExceptionsAtOnce = 4096;

constexpr std::array<const char*, 6> kMaps = {"gate", "bypassed", "copies", "tallies", "published", "exceptions"};
// Of versions before, which releasing takes off too.
constexpr std::array<const char*, 1> kFormerMaps = {"copies_lost"};
// By HG_PROGRAM_... and direction.
constexpr std::array<std::array<const char*, 2>, 4> kPrograms = {{
    {"", ""},
    {"gate_outside", "gate_inside"},
    {"tc_outside", "tc_inside"},
    {"xdp_outside", "xdp_inside"},
}};

// Beside a gate, where packets leave.
constexpr const char* kExitProgram = "gate_exit";

struct ObjectCloser {
  void operator()(bpf_object* object) const { bpf_object__close(object); }
};

// Wires of the same name in different network namespaces are different wires.
std::string directory_of(const std::string& wire) {
  struct stat space = {};
  stat("/proc/self/ns/net", &space);
  return std::string(kFileSystem) + "/" + wire + "@" + std::to_string(space.st_ino);
}

// Where the program is kept that stands where packets of a direction come in.
std::string program_pin(const std::string& directory, uint32_t direction) {
  return directory + (direction == HG_INBOUND ? "/at_outside" : "/at_inside");
}

// And that which stands where they leave.
std::string exit_pin(const std::string& directory, uint32_t direction) {
  return directory + (direction == HG_INBOUND ? "/out_of_inside" : "/out_of_outside");
}

Failure failed(const std::string& what, int error) {
  if (error == EPERM || error == EACCES)
    return {"no_capability", what + " is not allowed: run as root, or with CAP_BPF and CAP_NET_ADMIN"};
  return {"driver_unfit", what + " failed: " + strerror(error)};
}

std::optional<Failure> make_directory(const std::string& directory) {
  if (mkdir(kFileSystem, 0755) != 0 && errno != EEXIST) return failed(std::string("creating ") + kFileSystem, errno);
  struct statfs kind = {};
  if (statfs(kFileSystem, &kind) != 0 || kind.f_type != kFileSystemMagic) {
    if (mount("bpf", kFileSystem, "bpf", 0, "mode=0755") != 0)
      return failed(std::string("mounting the BPF file system at ") + kFileSystem, errno);
  }
  if (mkdir(directory.c_str(), 0755) != 0 && errno != EEXIST) return failed("creating " + directory, errno);
  return std::nullopt;
}

// The unit runs as a user of its own: its group may use the maps.
void share_maps(const std::string& directory) {
  const group* owner = getgrnam(kGroup);
  if (owner == nullptr) return;
  for (const char* name : kMaps) {
    const std::string path = directory + "/" + name;
    if (chown(path.c_str(), 0, owner->gr_gid) == 0) chmod(path.c_str(), 0660);
  }
}

// Sets or clears promiscuous mode; whether that changed anything.
bool set_promiscuous(const std::string& name, bool on) {
  bool has_changed = false;
  ControlSocket().set_flag(name, IFF_PROMISC, on, &has_changed);
  return has_changed;
}

// One value of a per-CPU array, as every processor has it; none when it cannot be read.
template <typename Value>
std::vector<Value> each_processor(int map, uint32_t key) {
  const int processors = libbpf_num_possible_cpus();
  std::vector<Value> each(processors > 0 ? static_cast<size_t>(processors) : 1);
  if (map < 0 || bpf_map_lookup_elem(map, &key, each.data()) != 0) each.clear();
  return each;
}

void add(hg_bypassed* sum, const hg_bypassed& part) {
  sum->frames += part.frames;
  sum->packets += part.packets;
  sum->bytes += part.bytes;
}

hg_gate* map_page(int map) {
  void* page = mmap(nullptr, static_cast<size_t>(getpagesize()), PROT_READ | PROT_WRITE, MAP_SHARED, map, 0);
  return page == MAP_FAILED ? nullptr : static_cast<hg_gate*>(page);
}

// The state page of what is installed, whatever its version; nullptr and why when there is none.
hg_gate* open_page(const std::string& directory, Failure* failure) {
  const int map = bpf_obj_get((directory + "/gate").c_str());
  if (map < 0) {
    if (failure == nullptr) return nullptr;
    const bool is_refused = errno == EPERM || errno == EACCES;
    *failure = is_refused ? failed("opening " + directory, errno)
                          : Failure{"not_installed", "nothing is installed: `headgate wire install` puts it in place"};
    return nullptr;
  }
  hg_gate* const page = map_page(map);
  if (page == nullptr && failure != nullptr) *failure = failed("mapping " + directory, errno);
  ::close(map);
  return page;
}

}  // namespace

std::optional<Failure> install_gate(const GateOptions& options) {
  std::array<PortFacts, 2> entry;  // by direction
  if (auto failure = read_port(options.inside, &entry[HG_OUTBOUND])) return failure;
  if (auto failure = read_port(options.outside, &entry[HG_INBOUND])) return failure;
  const std::string directory = directory_of(options.wire);
  libbpf_set_print(nullptr);
  if (hg_gate* const before = open_page(directory, nullptr); before != nullptr) {
    const bool is_other = before->program != options.program || before->version != HG_GATE_VERSION;
    munmap(before, static_cast<size_t>(getpagesize()));
    if (is_other) release_gate(options.wire);
  }
  if (auto failure = make_directory(directory)) return failure;
  const std::unique_ptr<bpf_object, ObjectCloser> object(bpf_object__open_file(options.object.c_str(), nullptr));
  if (!object) return failed("reading " + options.object, errno);
  // Maps that are pinned already are used again, so that a running packet loop keeps its heartbeat.
  for (const char* name : kMaps) {
    bpf_map* map = bpf_object__find_map_by_name(object.get(), name);
    if (map == nullptr) return failed("finding the map " + std::string(name), ENOENT);
    bpf_map__set_pin_path(map, (directory + "/" + name).c_str());
  }
  if (const int error = bpf_object__load(object.get()); error != 0) return failed("loading " + options.object, -error);
  share_maps(directory);

  hg_gate* const page = map_page(bpf_map__fd(bpf_object__find_map_by_name(object.get(), "gate")));
  if (page == nullptr) return failed("mapping the gate", errno);
  page->stale_ns = options.stale_ns;
  page->exit[HG_OUTBOUND] = static_cast<hg_u32>(entry[HG_INBOUND].index);
  page->exit[HG_INBOUND] = static_cast<hg_u32>(entry[HG_OUTBOUND].index);
  page->mtu[HG_OUTBOUND] = entry[HG_INBOUND].mtu;
  page->mtu[HG_INBOUND] = entry[HG_OUTBOUND].mtu;
  page->program = options.program;
  page->version = HG_GATE_VERSION;
  if (page->copy_share == 0) page->copy_share = HG_COPY_ALL;
  const std::array<const std::string*, 2> names = {&options.outside, &options.inside};
  std::optional<Failure> failure;
  for (uint32_t direction = 0; direction < 2 && !failure; direction++) {
    bool added_qdisc = false;
    const bpf_program* program = bpf_object__find_program_by_name(object.get(), kPrograms[options.program][direction]);
    const auto interface = static_cast<uint32_t>(entry[direction].index);
    int error = attach(interface, Hook::Ingress, options.program, bpf_program__fd(program),
                       program_pin(directory, direction), &added_qdisc);
    if (error == 0 && options.program == HG_PROGRAM_GATE) {
      const bpf_program* const at_exit = bpf_object__find_program_by_name(object.get(), kExitProgram);
      bool added_again = false;
      error = attach(interface, Hook::Egress, options.program, bpf_program__fd(at_exit),
                     exit_pin(directory, 1 - direction), &added_again);
    }
    if (error != 0) failure = failed("attaching the kernel's program to " + *names[direction], -error);
    if (added_qdisc) page->changed[direction] |= HG_CHANGED_QDISC;
    if (set_promiscuous(*names[direction], true)) page->changed[direction] |= HG_CHANGED_PROMISCUOUS;
  }
  munmap(page, static_cast<size_t>(getpagesize()));
  if (failure) release_gate(options.wire);
  return failure;
}

std::optional<Failure> release_gate(const std::string& wire) {
  const std::string directory = directory_of(wire);
  Failure failure;
  hg_gate* const page = open_page(directory, &failure);
  if (page == nullptr) return failure;
  for (uint32_t direction = 0; direction < 2; direction++) {
    const uint32_t interface = page->exit[1 - direction];
    const uint32_t changed = page->changed[direction];
    if (page->program == HG_PROGRAM_GATE)
      detach(interface, Hook::Egress, page->program, exit_pin(directory, 1 - direction), false);
    detach(interface, Hook::Ingress, page->program, program_pin(directory, direction), (changed & HG_CHANGED_QDISC) != 0);
    std::array<char, IFNAMSIZ> name = {};
    if (if_indextoname(interface, name.data()) == nullptr) continue;
    restore_port(name.data(), page->kept[direction]);
    if ((changed & HG_CHANGED_PROMISCUOUS) != 0) set_promiscuous(name.data(), false);
    if ((changed & HG_CHANGED_LOWERED) != 0) set_up(name.data(), true);
  }
  munmap(page, static_cast<size_t>(getpagesize()));
  for (const char* map : kMaps) unlink((directory + "/" + map).c_str());
  for (const char* map : kFormerMaps) unlink((directory + "/" + map).c_str());
  rmdir(directory.c_str());
  return std::nullopt;
}

Gate::~Gate() { close(); }

std::optional<Failure> Gate::open(const std::string& wire) {
  const std::string directory = directory_of(wire);
  Failure failure;
  page_ = open_page(directory, &failure);
  if (page_ == nullptr) {
    failure.message = "wire " + wire + ": " + failure.message;
    return failure;
  }
  if (page_->version != HG_GATE_VERSION) {
    close();
    return Failure{"not_installed", "wire " + wire +
                                        ": another version of headgate is installed on its ports, and forwards: "
                                        "`headgate wire install` replaces it"};
  }
  const std::array<std::pair<const char*, int*>, 5> maps = {{{"bypassed", &bypassed_},
                                                             {"copies", &copies_},
                                                             {"tallies", &tallies_},
                                                             {"published", &published_},
                                                             {"exceptions", &exceptions_}}};
  for (const auto& [name, map] : maps) {
    *map = bpf_obj_get((directory + "/" + name).c_str());
    if (*map >= 0) continue;
    const Failure refused = failed("opening the map " + std::string(name) + " of wire " + wire, errno);
    close();
    return refused;
  }
  return std::nullopt;
}

void Gate::close() {
  if (page_ != nullptr) munmap(page_, static_cast<size_t>(getpagesize()));
  for (int* map : {&bypassed_, &copies_, &tallies_, &published_, &exceptions_}) {
    if (*map >= 0) ::close(*map);
    *map = -1;
  }
  page_ = nullptr;
}

void Gate::begin(uint32_t workers) const {
  for (hg_beat& beat : page_->beat) std::atomic_ref(beat.ns).store(0, std::memory_order_seq_cst);
  std::atomic_ref(page_->workers).store(workers, std::memory_order_seq_cst);
}

uint64_t Gate::oldest_beat() const {
  uint64_t oldest = std::atomic_ref(page_->beat[0].ns).load(std::memory_order_relaxed);
  for (uint32_t worker = 1; worker < std::min(page_->workers, HG_WORKERS_MAX); worker++)
    oldest = std::min(oldest, std::atomic_ref(page_->beat[worker].ns).load(std::memory_order_relaxed));
  return oldest;
}

hg_bypassed Gate::bypassed(uint32_t direction, uint32_t worker) const {
  hg_bypassed sum = {};
  for (const hg_bypassed& part : each_processor<hg_bypassed>(bypassed_, HG_BYPASSED(direction, worker)))
    add(&sum, part);
  return sum;
}

hg_bypassed Gate::bypassed(uint32_t direction) const {
  hg_bypassed sum = {};
  for (uint32_t worker = 0; worker < HG_WORKERS_MAX; worker++) add(&sum, bypassed(direction, worker));
  return sum;
}

hg_tallies Gate::tallies() const {
  hg_tallies sum = {};
  for (const hg_tallies& part : each_processor<hg_tallies>(tallies_, 0)) {
    sum.copies_due += part.copies_due;
    sum.copies_lost += part.copies_lost;
    sum.copies_left_out += part.copies_left_out;
    sum.marked += part.marked;
    sum.cleared += part.cleared;
    sum.unmarked += part.unmarked;
    sum.kept += part.kept;
    sum.remarked += part.remarked;
    for (uint32_t link = 0; link < HG_LINKS_MAX; link++) sum.sessions[link] += part.sessions[link];
  }
  return sum;
}

size_t Gate::each_exception(const std::function<void(const hg_exception_key&, uint8_t)>& visit) const {
  std::vector<hg_exception_key> keys(kExceptionsAtOnce);
  std::vector<uint32_t> links(kExceptionsAtOnce);
  uint32_t from = 0, to = 0;
  size_t all = 0;
  for (int error = 0; error == 0;) {
    uint32_t count = kExceptionsAtOnce;
    error = bpf_map_lookup_batch(exceptions_, all == 0 ? nullptr : &from, &to, keys.data(), links.data(), &count, nullptr);
    if (error != 0 && errno != ENOENT) break;
    for (uint32_t i = 0; visit && i < count; i++) visit(keys[i], static_cast<uint8_t>(links[i]));
    all += count;
    if (count == 0) break;
    from = to;
  }
  return all;
}

}  // namespace headgate
