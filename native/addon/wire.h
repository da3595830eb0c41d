#pragma once
#include <napi.h>

namespace headgate {

// describe() -> { version, linksMax, losses, unparsed, rttBoundsUs, records }
Napi::Value describe(const Napi::CallbackInfo& info);

void register_wire(Napi::Env env, Napi::Object exports);

}  // namespace headgate
