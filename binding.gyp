{
  # The one native module. native/Makefile builds the same sources without Node for tests and fuzzers.
  'targets': [
    {
      'target_name': 'headgate',
      'sources': [
        'native/addon/addon.cc',
        'native/addon/describe.cc',
        'native/addon/dns.cc',
        'native/addon/replay.cc',
        'native/addon/socket.cc',
        'native/addon/wire.cc',
        'native/core/parse.cc',
        'native/core/pipeline.cc',
        'native/core/prefix_table.cc',
        'native/core/resolver.cc',
        'native/core/rewrite.cc',
        'native/core/session.cc',
        'native/core/tcp.cc',
        'native/dns/answer_table.cc',
        'native/dns/responder.cc',
        'native/dns/siphash.cc',
        'native/dns/udp_server.cc',
        'native/drivers/af_packet.cc',
        'native/drivers/pcap_file.cc',
        'native/drivers/port.cc',
        'native/drivers/tcp_socket.cc',
        'native/kernel/gate.cc',
        'native/runtime/engine.cc',
        'native/runtime/memory.cc',
        'native/runtime/replay.cc',
        'native/runtime/tables.cc',
        'native/runtime/wire.cc',
      ],
      'include_dirs': [
        "<!@(node -p \"require('node-addon-api').include\")",
        'native',
      ],
      'defines': ['NAPI_VERSION=8', 'NODE_ADDON_API_DISABLE_CPP_EXCEPTIONS'],
      'libraries': ['-lz', '-lbpf'],
      'dependencies': ['kernel'],
      'cflags!': ['-fno-omit-frame-pointer', '-O2'],
      'cflags_cc!': ['-fno-rtti', '-std=gnu++17', '-std=gnu++20', '-O2'],
      'cflags_cc': ['-std=c++20', '-O3', '-Wall', '-Wextra', '-Werror', '-fno-exceptions', '-fno-rtti'],
    },
    {
      # What runs in the kernel; loaded from beside the module.
      'target_name': 'kernel',
      'type': 'none',
      'actions': [
        {
          'action_name': 'gate',
          'inputs': ['native/kernel/gate.bpf.c', 'native/abi/gate.h', 'native/abi/records.h'],
          'outputs': ['<(PRODUCT_DIR)/gate.bpf.o'],
          'action': [
            'clang', '-O2', '-g', '-Wall', '-Werror', '-target', 'bpf', '-mcpu=v3',
            '-I/usr/include/<!(gcc -print-multiarch)',
            '-c', 'native/kernel/gate.bpf.c', '-o', '<(PRODUCT_DIR)/gate.bpf.o',
          ],
        },
      ],
    },
  ],
}
