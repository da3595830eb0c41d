import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Driver } from '../../src/engine/index.ts';
import type { Border } from './border.ts';

const headgate = fileURLToPath(new URL('../../src/cli/main.js', import.meta.url));

/** `headgate wire ...` as a person would give it, in a border's unit namespace but in this mount namespace, where pins last. */
export class WireCommand {
  readonly #settings: string;

  /** Settings for the wire of a Border, with `more` keys of it, are written to `folder`. */
  constructor(folder: string, driver: Driver, more = '') {
    this.#settings = join(folder, `${driver}.yaml`);
    writeFileSync(
      this.#settings,
      `asn: 64512
networks: [10.77.0.0/24]
management: { interface: lo }
wires:
  - { name: core, place: link, inside: in0, outside: out0, driver: ${driver}${more && `, ${more}`} }
links:
  - { name: north, asn: 65001, capacity: 10G, attribute: { wire: core } }
`,
    );
  }

  run(
    border: Border,
    ...args: readonly string[]
  ): { readonly code: number | null; readonly out: string; readonly err: string } {
    const { status, stdout, stderr } = spawnSync(
      'nsenter',
      [
        `--net=/run/netns/${border.namespace('unit')}`,
        process.execPath,
        headgate,
        'wire',
        ...args,
        '--config',
        this.#settings,
      ],
      { encoding: 'utf8' },
    );
    return { code: status, out: stdout, err: stderr };
  }
}
