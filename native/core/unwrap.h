// Copies of frames that a router or switch sent to us wrapped: ERSPAN over GRE, or VXLAN over UDP.
#pragma once
#include "packet.h"

namespace headgate {

// Makes `packet` the frame that the mirror copied. False, and nothing changed, when it is no wrapped copy: ERSPAN
// type I or II (draft-foschiano-erspan-03) over GRE (RFC 2784, RFC 2890), or VXLAN (RFC 7348) on its port 4789.
// ERSPAN type III and wrapped copies in fragments are not read.
bool unwrap(Packet& packet);

}  // namespace headgate
