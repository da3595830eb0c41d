#include "drivers/peer.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <sched.h>
#include <unistd.h>

#include <thread>
#include <vector>

#include "drivers/control_socket.h"
#include "drivers/netlink.h"
#include "drivers/port.h"

namespace headgate {
namespace {

constexpr const char* kSpaces = "/run/netns";

// The interface of this index in the calling thread's namespace.
std::optional<PeerFacts> look_here(int index) {
  char name[IFNAMSIZ] = {};
  if (if_indextoname(static_cast<unsigned>(index), name) == nullptr) return std::nullopt;
  const ControlSocket control;
  PeerFacts facts;
  facts.name = name;
  facts.finishes_checksums = control.ethtool_value_of(name, ETHTOOL_GTXCSUM, 1) == 0;
  facts.tags_in_frame = (control.ethtool_value_of(name, ETHTOOL_GFLAGS, ETH_FLAG_TXVLAN) & ETH_FLAG_TXVLAN) == 0;
  facts.takes_frames = control.ethtool_value_of(name, ETHTOOL_GGRO, 0) != 0;
  return facts;
}

std::vector<std::string> spaces() {
  std::vector<std::string> all;
  DIR* const folder = opendir(kSpaces);
  if (folder == nullptr) return all;
  while (const dirent* each = readdir(folder)) {
    if (each->d_name[0] != '.') all.emplace_back(each->d_name);
  }
  closedir(folder);
  return all;
}

}  // namespace

std::optional<PeerFacts> read_peer(const std::string& name) {
  PortFacts ours;
  if (read_port(name, &ours).has_value() || ours.driver != "veth") return std::nullopt;
  const std::optional<int> index = link_number(ours.index, IFLA_LINK);
  if (!index) return std::nullopt;
  const std::optional<int> wanted = link_number(ours.index, IFLA_LINK_NETNSID);
  if (!wanted) return look_here(*index);
  for (const std::string& space : spaces()) {
    const int fd = open((std::string(kSpaces) + "/" + space).c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) continue;
    std::optional<PeerFacts> found;
    if (space_number(fd) == wanted) {
      // A namespace is entered by a thread, which ends there.
      std::thread([&] {
        if (setns(fd, CLONE_NEWNET) == 0) found = look_here(*index);
      }).join();
    }
    close(fd);
    if (!found) continue;
    found->space = space;
    return found;
  }
  return std::nullopt;
}

}  // namespace headgate
