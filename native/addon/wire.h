#pragma once
#include <napi.h>

namespace headgate {

void register_wire(Napi::Env env, Napi::Object exports);

}  // namespace headgate
