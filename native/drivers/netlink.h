// The few questions about interfaces that only netlink answers.
#pragma once
#include <optional>

namespace headgate {

// A number that the kernel tells of an interface (IFLA_...): IFLA_MASTER, IFLA_LINK, IFLA_LINK_NETNSID.
std::optional<int> link_number(int index, unsigned short attribute);

// The number by which our network namespace knows the one behind `fd`; none when it has none.
std::optional<int> space_number(int fd);

}  // namespace headgate
